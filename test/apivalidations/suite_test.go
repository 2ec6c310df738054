// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apivalidations holds tables of the API server's acceptances, refusals and defaults, by
// the CRDs alone: defaults, enums, CEL rules. A real API server answers.
package apivalidations

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ports"
)

var apiServer client.Client

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		log.Fatal(err)
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	env := &envtest.Environment{CRDDirectoryPaths: []string{"../../config/crd/bases"}, ErrorIfCRDPathMissing: true}
	if err := ports.ForServer(context.Background(), env); err != nil {
		return 0, err
	}
	config, err := env.Start()
	if err != nil {
		return 0, fmt.Errorf("start the API server: %w", err)
	}
	defer func() {
		if err := env.Stop(); err != nil {
			log.Printf("stop the API server: %v", err)
		}
	}()
	scheme := runtime.NewScheme()
	if err := errors.Join(infrav1.AddToScheme(scheme), expv1.AddToScheme(scheme)); err != nil {
		return 0, err
	}
	if apiServer, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// refusal is a row of a table: the fault in an otherwise good object, and the API server's message.
type refusal[T client.Object] struct {
	world  string
	change func(T)
	says   string
}

func expectRefusals[T client.Object](t *testing.T, good func() T, table []refusal[T]) {
	t.Helper()
	for _, tt := range table {
		t.Run(tt.world, func(t *testing.T) {
			object := good()
			tt.change(object)
			NewWithT(t).Expect(apiServer.Create(context.Background(), object)).To(MatchError(ContainSubstring(tt.says)))
		})
	}
}

// expectRefusedUpdates creates a good object for each row and changes it.
func expectRefusedUpdates[T client.Object](t *testing.T, good func() T, table []refusal[T]) {
	t.Helper()
	for _, tt := range table {
		t.Run(tt.world, func(t *testing.T) {
			g := NewWithT(t)
			object := created(t, good())
			tt.change(object)
			err := apiServer.Update(context.Background(), object)
			if tt.says == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(ContainSubstring(tt.says)))
		})
	}
}

func created[T client.Object](t *testing.T, object T) T {
	t.Helper()
	NewWithT(t).Expect(apiServer.Create(context.Background(), object)).To(Succeed())
	t.Cleanup(func() { _ = apiServer.Delete(context.Background(), object) })
	return object
}

func namespaced() metav1.ObjectMeta {
	return metav1.ObjectMeta{GenerateName: "test-", Namespace: "default"}
}

func clusterScoped() metav1.ObjectMeta { return metav1.ObjectMeta{GenerateName: "test-"} }

func everywhere() infrav1.AllowedNamespaces {
	return infrav1.AllowedNamespaces{Selector: &metav1.LabelSelector{}}
}
