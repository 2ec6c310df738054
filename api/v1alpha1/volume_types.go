// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// FileSystem is the file system of a data volume.
// +kubebuilder:validation:Enum=ext4;xfs
type FileSystem string

// BootVolume is the boot volume's size and performance.
// +kubebuilder:validation:MinProperties=1
type BootVolume struct {
	// sizeGB in GB, at least the image's and at least 50.
	// +optional
	// +kubebuilder:validation:Minimum=50
	// +kubebuilder:validation:Maximum=32768
	SizeGB int32 `json:"sizeGB,omitempty"`

	// vpusPerGB is the performance: 10 balanced, 20 higher, 30 to 120 ultra high.
	// +optional
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=120
	// +kubebuilder:validation:MultipleOf=10
	VPUsPerGB int32 `json:"vpusPerGB,omitempty"`
}

// DataVolume is a block volume of a machine.
type DataVolume struct {
	// name of the volume, unique within the machine.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="name must be lower-case letters, digits and hyphens"
	Name string `json:"name,omitempty"`

	// sizeGB in GB.
	// +required
	// +kubebuilder:validation:Minimum=50
	// +kubebuilder:validation:Maximum=32768
	SizeGB int32 `json:"sizeGB,omitempty"`

	// vpusPerGB is the performance: 10 balanced, 20 higher. More needs a multipath attachment,
	// which this provider does not make; OCI would charge for it all the same.
	// +optional
	// +default=10
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=120
	// +kubebuilder:validation:MultipleOf=10
	// +kubebuilder:validation:XValidation:rule="self <= 20",message="vpusPerGB of a data volume must be 10 or 20: ultra-high performance (30 to 120) needs a multipath attachment, which this provider does not make"
	VPUsPerGB int32 `json:"vpusPerGB,omitempty"`

	// fileSystem for formatting a blank volume. A new one is empty, without lost+found: kubeadm
	// takes it for etcd.
	// +optional
	// +default="ext4"
	// +kubebuilder:default=ext4
	FileSystem FileSystem `json:"fileSystem,omitempty"`

	// mountPath is where the volume is mounted, an absolute path.
	// +required
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.matches('^(/[A-Za-z0-9._-]+)+$') && !self.contains('/../') && !self.endsWith('/..')",message="mountPath must be an absolute path of letters, digits, dots, hyphens and underscores"
	MountPath string `json:"mountPath,omitempty"`
}
