// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"errors"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

func problemReason(err error) string { return access.AsProblem(err).Reason }

func problemMessage(err error) string { return access.AsProblem(err).Message }

// asDuplicate gives two live instances their own reason.
func asDuplicate(err error) error {
	var duplicated *instance.DuplicatedError
	if errors.As(err, &duplicated) {
		return &access.Problem{Reason: infrav1.InstanceDuplicatedReason, Message: duplicated.Error(), Err: err}
	}
	return err
}
