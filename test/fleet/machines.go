// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// creators is how many requests to create objects are under way at once.
const creators = 8

// bootstrapBytes is the size of a worker's bootstrap data, about as large as kubeadm's with the
// templates' files.
const bootstrapBytes = 6 << 10

// cluster is a Cluster with its infrastructure.
type cluster struct {
	of    *clusterv1.Cluster
	infra *infrav1.OCIMeshCluster
	// machines were prepared and have no infrastructure yet.
	machines []*clusterv1.Machine
}

// createClusters shares the accounts out among the clusters, and has their networks made.
func (f *Fleet) createClusters(ctx context.Context) error {
	for i := range f.options.Clusters {
		c := &cluster{of: helpers.NewCluster(Namespace, fmt.Sprintf("fleet-%02d", i+1))}
		if err := f.Client.Create(ctx, c.of); err != nil {
			return fmt.Errorf("create a Cluster: %w", err)
		}
		from, to := i*f.options.Accounts/f.options.Clusters, (i+1)*f.options.Accounts/f.options.Clusters
		c.infra = helpers.NewOCIMeshCluster(c.of, TailnetName, f.Accounts[from:to])
		if err := f.Client.Create(ctx, c.infra); err != nil {
			return fmt.Errorf("create an OCIMeshCluster: %w", err)
		}
		f.clusters = append(f.clusters, c)
	}
	for _, c := range f.clusters {
		err := f.Await(ctx, 500*time.Millisecond, func(ctx context.Context) (string, error) {
			if err := f.Client.Get(ctx, client.ObjectKeyFromObject(c.infra), c.infra); err != nil {
				return "", err
			}
			for _, account := range c.infra.Status.Accounts {
				if account.Ready == nil || !*account.Ready {
					return fmt.Sprintf("the network of cluster %s in %s", c.of.Name, account.Name), nil
				}
			}
			if provisioned := c.infra.Status.Initialization.Provisioned; provisioned == nil || !*provisioned {
				return "OCIMeshCluster " + c.infra.Name, nil
			}
			return "", nil
		})
		if err != nil {
			return err
		}
		c.of.Status.Initialization.InfrastructureProvisioned = ptr.To(true)
		if err := f.Client.Status().Update(ctx, c.of); err != nil {
			return fmt.Errorf("mark the Cluster's infrastructure as provisioned: %w", err)
		}
	}
	return nil
}

// Prepare creates as many Machines with their bootstrap data, the same number in each cluster.
func (f *Fleet) Prepare(ctx context.Context, machines int) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(creators)
	for i := range machines {
		c := f.clusters[i%len(f.clusters)]
		machine := helpers.NewMachine(c.of, fmt.Sprintf("%s-%05d", c.of.Name, i), func(machine *clusterv1.Machine) {
			machine.Labels[clusterv1.MachineDeploymentNameLabel] = c.of.Name
		})
		c.machines = append(c.machines, machine)
		all.Go(func() error {
			if err := f.Client.Create(ctx, helpers.NewBootstrapSecret(machine, bootstrapData())); err != nil {
				return fmt.Errorf("create bootstrap data: %w", err)
			}
			if err := f.Client.Create(ctx, machine); err != nil {
				return fmt.Errorf("create a Machine: %w", err)
			}
			return nil
		})
	}
	return all.Wait()
}

// Launch creates the OCIMeshMachines of all prepared Machines, as fast as the API server takes
// them, one of each cluster in turn: all accounts are busy at the same time.
func (f *Fleet) Launch(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(creators)
	for i, left := 0, true; left; i++ {
		left = false
		for _, c := range f.clusters {
			if i >= len(c.machines) {
				continue
			}
			left = true
			machine := c.machines[i]
			all.Go(func() error {
				if err := f.Client.Create(ctx, helpers.NewOCIMeshMachine(machine)); err != nil {
					return fmt.Errorf("create an OCIMeshMachine: %w", err)
				}
				return nil
			})
		}
	}
	for _, c := range f.clusters {
		c.machines = nil
	}
	return all.Wait()
}

// Machine is one more OCIMeshMachine of the first cluster; the caller may change it before
// CreateMachine.
func (f *Fleet) Machine(name string) *infrav1.OCIMeshMachine {
	machine := helpers.NewMachine(f.clusters[0].of, name)
	return helpers.NewOCIMeshMachine(machine)
}

// CreateMachine creates a machine together with its owner and bootstrap data.
func (f *Fleet) CreateMachine(ctx context.Context, own *infrav1.OCIMeshMachine) error {
	machine := helpers.NewMachine(f.clusters[0].of, own.Name)
	if err := f.Client.Create(ctx, helpers.NewBootstrapSecret(machine, bootstrapData())); err != nil {
		return fmt.Errorf("create bootstrap data: %w", err)
	}
	if err := f.Client.Create(ctx, machine); err != nil {
		return fmt.Errorf("create a Machine: %w", err)
	}
	own.OwnerReferences = helpers.NewOCIMeshMachine(machine).OwnerReferences
	if err := f.Client.Create(ctx, own); err != nil {
		return fmt.Errorf("create an OCIMeshMachine: %w", err)
	}
	return nil
}

// Delete deletes all OCIMeshMachines, each by a request of its own: a deletion of all by one runs
// into the API server's time limit.
func (f *Fleet) Delete(ctx context.Context) error {
	machines := &infrav1.OCIMeshMachineList{}
	if err := f.Client.List(ctx, machines, client.InNamespace(Namespace)); err != nil {
		return fmt.Errorf("list the OCIMeshMachines: %w", err)
	}
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(creators)
	for i := range machines.Items {
		all.Go(func() error {
			if err := f.Client.Delete(ctx, &machines.Items[i]); client.IgnoreNotFound(err) != nil {
				return fmt.Errorf("delete an OCIMeshMachine: %w", err)
			}
			return nil
		})
	}
	return all.Wait()
}

// bootstrapData is as long as a worker's; its content does not matter here.
func bootstrapData() string {
	var out strings.Builder
	out.WriteString("#cloud-config\nwrite_files:\n- path: /run/kubeadm/kubeadm-join-config.yaml\n  content: |\n")
	for i := 0; out.Len() < bootstrapBytes; i++ {
		fmt.Fprintf(&out, "    # line %04d of a configuration as long as a real one\n", i)
	}
	out.WriteString("runcmd:\n- kubeadm join --config /run/kubeadm/kubeadm-join-config.yaml\n")
	return out.String()
}
