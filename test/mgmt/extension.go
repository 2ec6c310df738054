// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package mgmt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	runtimev1 "sigs.k8s.io/cluster-api/api/runtime/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// inPlaceGate is the name of Cluster API's gate, and of this provider's.
const inPlaceGate = "InPlaceUpdates"

func (o Options) updatesInPlace() bool { return o.Provider != nil && o.Provider.InPlaceUpdates }

// capiGates are the gates of Cluster API's managers that the options open.
func (o Options) capiGates() []string {
	if !o.updatesInPlace() {
		return o.Gates
	}
	return append([]string{"RuntimeSDK", inPlaceGate}, o.Gates...)
}

// registerExtension has Cluster API call this provider for updates in place, by the ExtensionConfig
// of the release. Only the address differs: there are no Services here. What cert-manager would
// write is the webhooks' certificate, from which Cluster API takes the authority.
func (e *Environment) registerExtension(ctx context.Context, o Options) error {
	text, err := os.ReadFile(filepath.Join(o.Root, "config", "in-place-updates", "extension_config.yaml"))
	if err != nil {
		return fmt.Errorf("read the ExtensionConfig: %w", err)
	}
	extension := &runtimev1.ExtensionConfig{}
	if err := yaml.UnmarshalStrict(text, extension); err != nil {
		return fmt.Errorf("read the ExtensionConfig: %w", err)
	}
	extension.Spec.ClientConfig = runtimev1.ClientConfig{URL: fmt.Sprintf("https://127.0.0.1:%d", e.extensionPort)}
	authority, err := os.ReadFile(filepath.Join(e.certDir(providerManager), "tls.crt"))
	if err != nil {
		return fmt.Errorf("read the webhook certificate: %w", err)
	}
	namespace, name, _ := strings.Cut(extension.Annotations[runtimev1.InjectCAFromSecretAnnotation], "/")
	certificate := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string][]byte{"ca.crt": authority},
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, runtimev1.AddToScheme, clusterv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return fmt.Errorf("set up the runtime extensions' types: %w", err)
		}
	}
	c, err := client.New(e.Config, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("make a client of the management cluster: %w", err)
	}
	for _, object := range []client.Object{certificate, extension} {
		if err := c.Create(ctx, object); err != nil {
			return fmt.Errorf("create %T %s: %w", object, object.GetName(), err)
		}
	}
	err = wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		err := c.Get(ctx, client.ObjectKeyFromObject(extension), extension)
		return conditions.IsTrue(extension, runtimev1.ExtensionConfigDiscoveredCondition), err
	})
	if err != nil {
		return fmt.Errorf("wait until Cluster API has discovered the extension, which is not: %s: %w",
			conditions.GetMessage(extension, runtimev1.ExtensionConfigDiscoveredCondition), err)
	}
	fmt.Fprintln(o.Progress, "Cluster API has discovered the extension for updates in place")
	return nil
}
