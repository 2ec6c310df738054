// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/version"
	bootstrapapi "k8s.io/cluster-bootstrap/token/api"
)

// errUnreachable is a node's error while nothing answers at the endpoint.
var errUnreachable = errors.New("the API server is not reachable at the control plane endpoint")

// errToken is a node's error while the cluster does not know its token; kubeadm keeps asking, since
// the token may be on its way.
var errToken = errors.New("the bootstrap token is unknown to the cluster, or expired")

// refusalError is a final answer: trying again does not change it.
type refusalError struct{ message string }

func (e *refusalError) Error() string { return e.message }

func refusal(format string, args ...any) error {
	return &refusalError{message: fmt.Sprintf(format, args...)}
}

// checkInit is kubeadm's check of the version it is asked to deploy: its own
// minor or the one before.
func (r kubeadmRun) checkInit(nodeVersion string) error {
	if r.kubernetesVersion == "" {
		return nil
	}
	ahead, err := minorsAhead(nodeVersion, r.kubernetesVersion)
	if err != nil {
		return err
	}
	if ahead < 0 || ahead > 1 {
		return refusal("kubeadm init: kubeadm %s does not deploy Kubernetes %s", nodeVersion, r.kubernetesVersion)
	}
	return nil
}

// discover is the first step of `kubeadm join`: the endpoint answers, its CA is the pinned one, and
// it knows the token.
func (c *cluster) discover(ctx context.Context, run kubeadmRun) error {
	if !c.endpoint.isOpen() {
		return errUnreachable
	}
	if len(run.caCertHashes) > 0 {
		sum := sha256.Sum256(c.ca().cert.RawSubjectPublicKeyInfo)
		if !slices.Contains(run.caCertHashes, "sha256:"+hex.EncodeToString(sum[:])) {
			return refusal("kubeadm join: the cluster CA found at %s does not match the pinned public keys", run.endpoint)
		}
	}
	id, secret, _ := strings.Cut(run.token, ".")
	token := c.secret(ctx, bootstrapapi.BootstrapTokenSecretPrefix+id)
	if token == nil || token.Type != bootstrapapi.SecretTypeBootstrapToken ||
		string(token.Data[bootstrapapi.BootstrapTokenSecretKey]) != secret ||
		string(token.Data[bootstrapapi.BootstrapTokenUsageAuthentication]) != "true" {
		return errToken
	}
	expiry, err := time.Parse(time.RFC3339, string(token.Data[bootstrapapi.BootstrapTokenExpirationKey]))
	if err == nil && expiry.Before(time.Now()) {
		return errToken
	}
	return nil
}

// checkSkewLocked checks kubeadm join's permitted version skew: a control plane of the cluster's
// minor or the next, a worker not newer than the API server and at most three minors older.
func (c *cluster) checkSkewLocked(m member) error {
	cluster := c.apiVersionLocked()
	ahead, err := minorsAhead(m.version, cluster)
	if err != nil {
		return err
	}
	if m.controlPlane && (ahead < 0 || ahead > 1) || !m.controlPlane && (ahead < -3 || ahead > 0) {
		return refusal("kubeadm join: a node of Kubernetes %s cannot join a cluster of %s", m.version, cluster)
	}
	return nil
}

func (c *cluster) apiVersionLocked() string {
	oldest := ""
	for _, m := range c.members {
		if !m.controlPlane || !m.running {
			continue
		}
		if older, err := minorsAhead(oldest, m.version); oldest == "" || err == nil && older > 0 {
			oldest = m.version
		}
	}
	return oldest
}

// minorsAhead is by how many minor versions a is newer than b.
func minorsAhead(a, b string) (int, error) {
	va, errA := version.ParseSemantic(a)
	vb, errB := version.ParseSemantic(b)
	if errA != nil || errB != nil {
		return 0, refusal("%q or %q is not a Kubernetes version", a, b)
	}
	return int(va.Minor()) - int(vb.Minor()), nil
}
