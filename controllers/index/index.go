// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package index has the manager's cache find machines by what it would otherwise look through all
// of them for.
package index

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

const (
	// MachineByAccount finds OCIMeshMachines by the account that they are placed in. The API server
	// knows the field too, for who reads without the cache: it is one of the CRD's selectable
	// fields, which Kubernetes has had since v1.31.
	MachineByAccount = "status.placement.account"
	// MachineByInstance finds an OCIMeshMachine by its instance's OCID.
	MachineByInstance = "status.instance.id"
	// UnsettledMachine finds OCIMeshMachines that are not at rest: not provisioned, or on their way
	// out. Values are the account that they are placed in, Nowhere, and Anywhere for each.
	UnsettledMachine = "unsettled"
)

// No account has these names.
const (
	Anywhere = "*"
	Nowhere  = "-"
)

// AddTo has the indexes made; it is called once for each manager, before its controllers are set
// up.
func AddTo(ctx context.Context, indexer client.FieldIndexer) error {
	for field, values := range map[string]func(*infrav1.OCIMeshMachine) []string{
		MachineByAccount:  func(machine *infrav1.OCIMeshMachine) []string { return known(machine.Status.Placement.Account) },
		MachineByInstance: func(machine *infrav1.OCIMeshMachine) []string { return known(machine.Status.Instance.ID) },
		UnsettledMachine:  unsettled,
	} {
		err := indexer.IndexField(ctx, &infrav1.OCIMeshMachine{}, field, func(object client.Object) []string {
			machine, ok := object.(*infrav1.OCIMeshMachine)
			if !ok {
				return nil
			}
			return values(machine)
		})
		if err != nil {
			return fmt.Errorf("indexing machines by %s: %w", field, err)
		}
	}
	return nil
}

func known(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

func unsettled(machine *infrav1.OCIMeshMachine) []string {
	if machine.Status.Initialization.IsProvisioned() && machine.DeletionTimestamp.IsZero() {
		return nil
	}
	if account := machine.Status.Placement.Account; account != "" {
		return []string{Anywhere, account}
	}
	return []string{Anywhere, Nowhere}
}
