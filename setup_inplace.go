// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	runtimecatalog "sigs.k8s.io/cluster-api/api/runtime/catalog"
	runtimehooksv1 "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"
	runtimeserver "sigs.k8s.io/cluster-api/exp/runtime/server"
	"sigs.k8s.io/cluster-api/util/flags"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/inplace"
)

// setupInPlace serves Cluster API's hooks for updates in place, if their gate is open. Every
// replica does, leader or not.
func setupInPlace(mgr ctrl.Manager, o managerOptions) error {
	if !o.gates.Enabled(inPlaceGate) {
		return nil
	}
	server, err := newInPlaceServer(mgr.GetClient(), o)
	if err != nil {
		return err
	}
	return mgr.Add(server)
}

// newInPlaceServer answers the hooks. A handler that does not answer fails the call: a machine must
// not be replaced because nobody could be asked whether that is needed.
func newInPlaceServer(reader client.Reader, o managerOptions) (*runtimeserver.Server, error) {
	tlsOptions, _, err := flags.GetManagerOptions(o.manager)
	if err != nil {
		return nil, fmt.Errorf("read the diagnostics flags: %w", err)
	}
	catalog := runtimecatalog.New()
	if err := runtimehooksv1.AddToCatalog(catalog); err != nil {
		return nil, fmt.Errorf("register Cluster API's hooks: %w", err)
	}
	server, err := runtimeserver.New(runtimeserver.Options{
		Catalog: catalog, Port: o.extensionPort, CertDir: o.webhookCertDir, CertName: o.webhookCertName, KeyName: o.webhookKeyName,
		TLSOpts: tlsOptions,
	})
	if err != nil {
		return nil, fmt.Errorf("make the server of updates in place: %w", err)
	}
	handlers, fail := &inplace.Handlers{Client: reader, Progress: o.progressInterval}, runtimehooksv1.FailurePolicyFail
	for _, handler := range []runtimeserver.ExtensionHandler{
		{Hook: runtimehooksv1.CanUpdateMachine, Name: "can-update-machine", HandlerFunc: handlers.CanUpdateMachine},
		{Hook: runtimehooksv1.CanUpdateMachineSet, Name: "can-update-machine-set", HandlerFunc: handlers.CanUpdateMachineSet},
		{Hook: runtimehooksv1.UpdateMachine, Name: "update-machine", HandlerFunc: handlers.UpdateMachine},
	} {
		handler.FailurePolicy = &fail
		if err := server.AddExtensionHandler(handler); err != nil {
			return nil, fmt.Errorf("add the handler %s: %w", handler.Name, err)
		}
	}
	return server, nil
}
