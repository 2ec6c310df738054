// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/image"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/userdata"
)

// Tags of an instance configuration of earlier releases: the digest of what is in it, and the
// identifier of the key.
const (
	digestTag = "ocimesh-configuration-digest"
	keyTag    = "ocimesh-configuration-key"
)

// configuration sees to it that there is an instance configuration with all that instances to come
// need. What it holds is compared by a digest of what was sent: what OCI returns has its defaults
// filled in, and compared with that each pass would make another configuration (CAPOCI #485, #510,
// #513).
func (r *Reconciler) configuration(ctx context.Context, s *scope) error {
	if s.idle() {
		return nil
	}
	digest, err := r.contents().digest(ctx, s)
	if err != nil {
		return err
	}
	s.told = true
	status := &s.own.Status.Configuration
	switch {
	case status.ID == "":
	case status.Digest == digest:
		return nil
	case status.Digest != "" && s.found != nil && s.found.IsBusy() && s.found.ConfigurationID != status.ID:
		// A pool without room takes no other one, perhaps for 24 hours, while each bootstrap token
		// would make one: one waits for it already.
		s.outdated = true
		return nil
	}
	if s.key.Value == "" {
		// The Secret with the key of the last configuration stayed behind in a move.
		if s.key, err = r.keyring(s).renew(ctx); err != nil {
			return err
		}
		if digest, err = r.contents().digest(ctx, s); err != nil {
			return err
		}
	}
	spec, err := r.contents().launchSpec(ctx, s, s.key.Value)
	if err != nil {
		return err
	}
	spec.DisplayName, spec.RetryToken = configurationName(s.prefix, digest, s.key.ID), cloud.RetryToken(s.owner.Digest(), digest, status.ID)
	id, err := s.findOrCreate(ctx, spec, digest)
	if err != nil {
		return err
	}
	if s.externalCloudProvider != "" && r.Recorder != nil && status.ID == "" {
		r.Recorder.Eventf(s.own, nil, corev1.EventTypeWarning, userdata.ExternalCloudProviderReason, "Configure", "%s", s.externalCloudProvider)
	}
	if len(s.absent) > 0 && r.Recorder != nil {
		r.Recorder.Eventf(s.own, nil, corev1.EventTypeWarning, infrav1.NoRoomForAgentReason, "Configure", "%s", userdata.AgentsComplete(s.absent).Message)
	}
	*status = expv1.InstanceConfigurationStatus{
		ID: id, Digest: digest, KeyID: s.key.ID, KeyExpires: metav1.NewTime(s.key.Expires), KeyTags: s.key.tags,
	}
	return nil
}

// configurationName tells digest and key. Tags would do, but OCI gives those of a configuration to
// all instances, which have room for ten (OCI documentation, "Using Instance Configurations and
// Instance Pools", "Propagation of Tagging on Resources").
func configurationName(prefix, digest, keyID string) string {
	return prefix + "-" + digest + "-" + keyID
}

// contentOf reads digest and key of one of the pool's configurations: from its name, or from the
// tags that earlier releases gave it. The digest is empty if neither tells.
func (s *scope) contentOf(configuration oci.InstanceConfiguration) (digest, keyID string) {
	if digest = configuration.Tags[digestTag]; digest != "" {
		return digest, configuration.Tags[keyTag]
	}
	content, _ := strings.CutPrefix(configuration.DisplayName, s.prefix+"-")
	digest, keyID, _ = strings.Cut(content, "-")
	if len(digest) != hex.EncodedLen(sha256.Size) {
		return "", ""
	}
	return digest, keyID
}

// findOrCreate adopts the configuration that a pass before this one may have made without knowing.
func (s *scope) findOrCreate(ctx context.Context, spec oci.LaunchSpec, digest string) (string, error) {
	known, err := s.client.ListInstanceConfigurations(ctx, s.owner.Tags())
	if err != nil {
		return "", err
	}
	for _, configuration := range known {
		if found, _ := s.contentOf(configuration); found == digest {
			return configuration.ID, nil
		}
	}
	id, err := s.client.CreateInstanceConfiguration(ctx, spec, identity.TagsIn(s.infraCluster, s.owner))
	if cloud.IsKind(err, cloud.InvalidRequest, cloud.RelatedNotFoundOrUnauthorized) {
		return "", &access.Problem{
			Reason: expv1.ConfigurationRefusedReason, Message: "OCI refuses the instance configuration: " + cloud.UserMessage(err), Err: err,
		}
	}
	return id, err
}

// contents make what an instance configuration holds.
type contents struct {
	// client reads Secrets from the API server.
	client    client.Reader
	scheduler *scheduling.Scheduler
}

func (r *Reconciler) contents() contents { return contents{client: r.Client, scheduler: r.Scheduler} }

// launchSpec is all that an instance is launched with, but the place.
func (c contents) launchSpec(ctx context.Context, s *scope, key cloudinit.Secret) (oci.LaunchSpec, error) {
	machine := s.parts.machineSpec(s.own.Spec)
	shape := machine.Shapes[0].Name
	imageID, err := c.scheduler.Image(ctx, s.client, s.account.Name, image.Query{Image: machine.Image, Shape: shape})
	if err != nil {
		return oci.LaunchSpec{}, err
	}
	userData, err := c.userData(ctx, s, key)
	if err != nil {
		return oci.LaunchSpec{}, err
	}
	spec := instance.Spec(instance.Launch{
		Machine: machine, Placement: infrav1.Placement{Shape: shape, ImageID: imageID},
		Network: *s.network, Hostname: s.prefix, Tags: identity.TagsIn(s.infraCluster, s.owner), UserData: userData,
	})
	spec.DisplayName, spec.SubnetID, spec.RetryToken = "", "", ""
	return spec, nil
}

// userData renders the bootstrap provider's data of now. Cluster API's bootstrap provider writes it
// anew whenever its token is about to expire (bootstrap/kubeadm, rotateMachinePoolBootstrapToken),
// which makes another configuration and leaves instances alone.
func (c contents) userData(ctx context.Context, s *scope, key cloudinit.Secret) ([]byte, error) {
	template := s.machinePool.Spec.Template.Spec
	name := *template.Bootstrap.DataSecretName
	secret := &corev1.Secret{}
	err := c.client.Get(ctx, client.ObjectKey{Namespace: s.own.Namespace, Name: name}, secret)
	switch {
	case apierrors.IsNotFound(err) || err == nil && len(secret.Data["value"]) == 0:
		return nil, access.NewProblem(infrav1.BootstrapDataInvalidReason,
			"Secret %s has no bootstrap data: see the MachinePool's bootstrap configuration", name)
	case err != nil:
		return nil, fmt.Errorf("reading the bootstrap data: %w", err)
	}
	machine := s.parts.machineSpec(s.own.Spec)
	input, err := userdata.Input(userdata.Node{
		Place:  userdata.Place{Account: s.account, Shape: machine.Shapes[0].Name, Preemptible: s.own.Spec.Preemptible},
		Secret: secret, Hostname: s.prefix, HostnameOfInstance: true, ControlPlane: false, KubernetesVersion: template.Version,
		Bootstrap: s.own.Spec.Bootstrap, Tailscale: s.own.Spec.Tailscale, DataVolumes: machine.DataVolumes,
		Cluster: s.cluster, InfraCluster: s.infraCluster, Tailnet: s.tailnet, Agent: false,
		OtherMetadata: instance.Metadata(machine),
	})
	if err == nil {
		input, s.absent, err = userdata.Fit(input)
	}
	if err != nil {
		return nil, err
	}
	s.externalCloudProvider = userdata.ExternalCloudProvider(input)
	return userdata.Render(input, key)
}

// digest is that of everything in the configuration, with the key's identifier in the key's place:
// who does not have the key can tell as well whether the configuration is still right.
func (c contents) digest(ctx context.Context, s *scope) (string, error) {
	spec, err := c.launchSpec(ctx, s, cloudinit.Secret(s.key.ID))
	if err != nil {
		return "", err
	}
	// The type with the methods hides its secrets from JSON.
	type plain oci.LaunchSpec
	content, err := json.Marshal(plain(spec))
	if err != nil {
		return "", fmt.Errorf("digesting the instance configuration: %w", err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), nil
}
