// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// ClusterUIDTag is the OCI freeform tag with the UID of a resource's OCIMeshCluster. It marks
	// the networks and machines of one cluster in every account; nothing without it is ever changed
	// or deleted.
	ClusterUIDTag = "ocimesh-cluster-uid"
	// MachineUIDTag is the OCI freeform tag with the UID of an instance's OCIMeshMachine. An
	// instance is found and adopted by it, never by name.
	MachineUIDTag = "ocimesh-machine-uid"
	// HeldByTag is the OCI freeform tag naming the management cluster holding an instance, a VCN or
	// a load balancer, and since when: the UID of its namespace kube-system and a time.
	HeldByTag = "ocimesh-held-by"
	// RoleTag is the OCI freeform tag for telling resources of one kind and cluster apart; the
	// nodes' own have none.
	RoleTag = "ocimesh-role"
	// MachinePoolUIDTag is the OCI freeform tag with the UID of the OCIMeshMachinePool on its
	// instance pool, instance configurations, instances and data volumes. They are found by it,
	// never by name.
	MachinePoolUIDTag = "ocimesh-machine-pool-uid"
	// MachinePoolNameTag is the OCI freeform tag with namespace/name of the OCIMeshMachinePool, for
	// people only.
	MachinePoolNameTag = "ocimesh-machine-pool"
	// ClusterNameTag is the OCI freeform tag with namespace/name of the OCIMeshCluster, for people
	// only.
	ClusterNameTag = "ocimesh-cluster"
	// MachineNameTag is the OCI freeform tag with namespace/name of the OCIMeshMachine, for people
	// only.
	MachineNameTag = "ocimesh-machine"
)

// SecretReference names a Secret. Both parts are required, since the kinds using it are
// cluster-scoped.
type SecretReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// namespace of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
}

// AllowedNamespaces limits the namespaces of users of a cluster-scoped account or tailnet. Exactly
// one of its fields is set.
// +kubebuilder:validation:XValidation:rule="has(self.list) != has(self.selector)",message="exactly one of list and selector must be set"
// +kubebuilder:validation:MinProperties=1
type AllowedNamespaces struct {
	// list names the namespaces.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	List []string `json:"list,omitempty"`

	// selector selects namespaces by label; the empty selector selects all.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// ObjectUser names an object using an account or a tailnet.
type ObjectUser struct {
	// namespace of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// FailureDomainName is the name of an availability domain of an account as a failure domain of a
// cluster, such as alice-ad-1.
func FailureDomainName(account, shortName string) string { return account + "-" + shortName }

// FailureDomain names the availability domain, as far as the account's domains are known; else it
// is empty.
func (a *OCIAccount) FailureDomain(availabilityDomain string) string {
	for _, domain := range a.Status.AvailabilityDomains {
		if domain.Name == availabilityDomain {
			return FailureDomainName(a.Name, domain.ShortName)
		}
	}
	return ""
}

// Labels of Nodes, beside Kubernetes' own for region, zone and instance type. kubelet sets them
// when it registers the Node.
const (
	// NodeAccountLabel has the name of the OCIAccount that the instance is in.
	NodeAccountLabel = "infrastructure.cluster.x-k8s.io/ocimesh-account"
	// NodeFaultDomainLabel has OCI's name of the fault domain, such as FAULT-DOMAIN-1.
	NodeFaultDomainLabel = "infrastructure.cluster.x-k8s.io/ocimesh-fault-domain"
	// NodePreemptibleLabel is "true" on a preemptible instance and absent on others.
	NodePreemptibleLabel = "infrastructure.cluster.x-k8s.io/ocimesh-preemptible"
)

// RoleLoadBalancer is the RoleTag of the resources for the cluster's load balancer.
const RoleLoadBalancer = "load-balancer"

// NetworkAccountsAnnotation of an OCIMeshCluster names the OCIAccounts, separated by commas, with a
// possible network or load balancer of the cluster made by the provider. It is written before the
// first call to make one, and holds an account until both are proven gone. It is metadata, not
// status, since it must survive clusterctl move.
const NetworkAccountsAnnotation = "infrastructure.cluster.x-k8s.io/ocimesh-network-accounts"

// NodeAgentAnnotation of an OCIMeshMachine says that its node has the agent for updates of versions
// in place. It is written with the identity, before anything is rendered from it, and is metadata,
// not status, since it must survive clusterctl move.
const NodeAgentAnnotation = "infrastructure.cluster.x-k8s.io/ocimesh-node-agent"

// AbsentAgentsAnnotation of an OCIMeshMachine names the agents that its user data had no room for,
// each with the bytes that are too many, such as "capom-update=120". It is written before the
// launch, and is metadata, not status, since it must survive clusterctl move.
const AbsentAgentsAnnotation = "infrastructure.cluster.x-k8s.io/ocimesh-absent-agents"

// Annotations of a Node of a cluster, by which the provider and the node's agent talk.
const (
	// WantedVersionsAnnotation has the versions of Kubernetes and tailscale that the provider asks
	// for, with the word fetch behind them if Kubernetes' packages are only to be fetched.
	WantedVersionsAnnotation = "infrastructure.cluster.x-k8s.io/ocimesh-wanted"
	// ReportedVersionsAnnotation has what the agent says of them.
	ReportedVersionsAnnotation = "infrastructure.cluster.x-k8s.io/ocimesh-reported"
	// WantedVolumesAnnotation has the sizes of volumes that the provider asks for, as PATH=GB.
	WantedVolumesAnnotation = "infrastructure.cluster.x-k8s.io/ocimesh-wanted-volumes"
	// ReportedVolumesAnnotation has the sizes of the volumes that their file systems fill, those of
	// volumes that people have laid out as PATH=GB:left, and why others are not filled.
	ReportedVolumesAnnotation = "infrastructure.cluster.x-k8s.io/ocimesh-volumes"
)

// DrainAnnotation of a Machine says whether its Node is drained before an update in place:
// DrainAlways or DrainNever. Without it workers are, if other nodes can take their pods. It is on
// the Machine since Cluster API brings annotations there from the templates of MachineDeployments
// and KubeadmControlPlanes without a rollout.
const DrainAnnotation = "infrastructure.cluster.x-k8s.io/ocimesh-drain"

// Values of DrainAnnotation.
const (
	// DrainAlways drains the Node, a control plane's too, whether others can take the pods or not.
	DrainAlways = "Always"
	// DrainNever has the pods restarted with their node.
	DrainNever = "Never"
)

// AfterDrainAnnotation of a Node says what is to be done once its machine is updated. It is written
// in the same write as the cordon.
const AfterDrainAnnotation = "infrastructure.cluster.x-k8s.io/ocimesh-after-drain"

// Values of AfterDrainAnnotation.
const (
	// AfterDrainUncordon is of a Node that the provider has cordoned.
	AfterDrainUncordon = "Uncordon"
	// AfterDrainLeave is of a Node that somebody else had cordoned before.
	AfterDrainLeave = "Leave"
)

// AllowUninstallAnnotation on a HelmReleaseProxy of Cilium lets it be deleted while its cluster
// lives, which the policies in config/admission refuse otherwise.
const AllowUninstallAnnotation = "infrastructure.cluster.x-k8s.io/ocimesh-allow-uninstall"

// IdentityAnnotation holds namespace/name/UID of an OCIMeshCluster or OCIMeshMachine as it was
// first seen. "clusterctl move" gives an object a new UID; the tags of its networks and instances,
// the name of its device and the description of its key keep the first one.
const IdentityAnnotation = "infrastructure.cluster.x-k8s.io/ocimesh-identity"
