// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// beside is the API server of another management cluster, for all tests of a package.
var beside struct {
	once  sync.Once
	stop  func()
	other *Environment
	err   error
}

func startBeside() {
	server, err := start()
	if err != nil {
		beside.err = err
		return
	}
	beside.stop = func() { _ = server.Stop() }
	beside.other, beside.err = newEnvironment(server.Config)
}

// Beside is another API server for another management cluster. All tests of a package share it:
// their namespaces have names of their own. It ends with the last of them.
func (e *Environment) Beside(t *testing.T) *Environment {
	t.Helper()
	beside.once.Do(startBeside)
	if beside.err != nil {
		t.Fatalf("starting another API server: %s", beside.err)
	}
	return beside.other
}

// Restore creates copies of the objects as a restored backup has them: with metadata and spec, and
// without status. Owners among them are named by their new UIDs. It returns the copies.
func (e *Environment) Restore(t *testing.T, objects ...client.Object) []client.Object {
	t.Helper()
	uids := map[types.UID]types.UID{}
	var copies []client.Object
	for _, object := range objects {
		restored := object.DeepCopyObject().(client.Object)
		old := restored.GetUID()
		restored.SetUID("")
		restored.SetResourceVersion("")
		restored.SetCreationTimestamp(metav1.Time{})
		restored.SetManagedFields(nil)
		owners := restored.GetOwnerReferences()
		for i := range owners {
			if uid, known := uids[owners[i].UID]; known {
				owners[i].UID = uid
			}
		}
		restored.SetOwnerReferences(owners)
		e.Create(t, restored)
		uids[old] = restored.GetUID()
		copies = append(copies, restored)
	}
	return copies
}

// RestoredIn is the world as another management cluster sees it after a backup was restored there:
// the same accounts and the same tailnet.
func (w *World) RestoredIn(t *testing.T, env *Environment) *World {
	t.Helper()
	restored := *w
	restored.Environment = env
	t.Cleanup(func() { restored.forget(t) })
	for _, name := range []string{w.Namespace, w.ManagerNamespace} {
		env.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	restored.Accounts, restored.Credentials = nil, nil
	for i := range w.Accounts {
		w.Reload(t, w.Accounts[i])
		copies := env.Restore(t, w.Credentials[i], w.Accounts[i])
		restored.Credentials = append(restored.Credentials, copies[0].(*corev1.Secret))
		restored.Accounts = append(restored.Accounts, copies[1].(*infrav1.OCIAccount))
	}
	w.Reload(t, w.Tailnet)
	copies := env.Restore(t, w.TailnetCredentials, w.Tailnet)
	restored.TailnetCredentials, restored.Tailnet = copies[0].(*corev1.Secret), copies[1].(*infrav1.Tailnet)
	restored.Clients = access.New(access.Options{
		Client: env.Client, Namespace: w.ManagerNamespace, Limits: oci.Unlimited(), TailnetLimits: tailnet.Limits{Failures: 1e6},
	})
	restored.MakeReady(t)
	return &restored
}
