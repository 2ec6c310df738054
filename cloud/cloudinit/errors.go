// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"errors"
	"fmt"
)

// UnsupportedFormatError reports bootstrap data in a format that cannot be rendered.
type UnsupportedFormatError struct {
	// Format is the value of the bootstrap Secret's key "format", for example "ignition".
	Format string
}

// Error names the format and the remedy.
func (e *UnsupportedFormatError) Error() string {
	return fmt.Sprintf("bootstrap data of format %q is not supported: set the bootstrap config's format to cloud-config", e.Format)
}

// InvalidInputError names the invalid field of Input.
type InvalidInputError struct {
	// Field is the path inside Input, for example "Tailnet.LoginServer".
	Field string
	// Reason says what is wrong with it; it never repeats a secret.
	Reason string
}

// Error names the field and the reason.
func (e *InvalidInputError) Error() string {
	return fmt.Sprintf("user data cannot be rendered: %s: %s", e.Field, e.Reason)
}

// TooLargeError reports instance metadata above OCI's limit. It matches ErrTooLarge.
type TooLargeError struct {
	// Size is the size of all metadata in bytes, as Size counts it.
	Size int
	// UserData is the user data's part of Size, in base64.
	UserData int
	// Limit is MaxMetadataBytes.
	Limit int
	// Authorities are the cluster's in the user data, as AuthoritiesIn finds them.
	Authorities Authorities
}

// ErrTooLarge is matched by a TooLargeError under errors.Is.
var ErrTooLarge = errors.New("instance metadata is too large")

// Error gives the sizes and the remedy.
func (e *TooLargeError) Error() string {
	sizes := fmt.Sprintf("instance metadata is %d bytes (%d of them user data), OCI accepts %d", e.Size, e.UserData, e.Limit)
	if fitting := e.Authorities.fitting(e.Size - e.Limit); fitting != "" {
		return fmt.Sprintf("%s: about %d are keys and certificates of the cluster's certificate authorities, RSA-%d; %s fits. "+
			"Recreate the cluster with that encryptionAlgorithm in the KubeadmControlPlane's clusterConfiguration, "+
			"or with such authorities of your own", sizes, e.Authorities.Bytes, e.Authorities.Bits, fitting)
	}
	return sizes + ": shorten the files and commands of the bootstrap config, or let its commands fetch large files"
}

// Is makes errors.Is(err, ErrTooLarge) true.
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }

// ErrMalformed is wrapped by every error of Parse: a node given this user data would not come up.
var ErrMalformed = errors.New("malformed user data")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

func invalid(field, format string, args ...any) error {
	return &InvalidInputError{Field: field, Reason: fmt.Sprintf(format, args...)}
}
