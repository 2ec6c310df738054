// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"context"
	"errors"
	"sync"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/image"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

const (
	// imageLife is for how long an image that was found is taken for the newest one.
	imageLife = 10 * time.Minute
	// imageWait is when a machine asks again whose image another one is looking for.
	imageWait = time.Second
)

// images remembers found images by what was asked for, so machines made together ask once. Failures
// are not remembered. The zero value is ready.
type images struct {
	mu    sync.Mutex
	known map[imageKey]foundImage
}

// imageKey holds the client, since another one has other credentials and may see other images.
type imageKey struct {
	client *oci.Client
	query  image.Query
}

// foundImage has no OCID while it is looked for.
type foundImage struct {
	id    string
	until time.Time
}

// find is image.Find once for all who ask at the same time: the others are told to ask again,
// rather than to wait here for an account that may not answer.
func (i *images) find(ctx context.Context, c *oci.Client, query image.Query, now time.Time) (string, error) {
	key := imageKey{c, query}
	if found, known := i.begin(key, now); known {
		if found.id == "" {
			return "", waitForImage(imageWait)
		}
		return found.id, nil
	}
	id, err := image.Find(ctx, c, query)
	i.mu.Lock()
	defer i.mu.Unlock()
	if err != nil {
		delete(i.known, key)
		if cloud.IsKind(err, cloud.Throttled) && cloud.WasNotSent(err) {
			err = waitForImage(cloud.RetryAfterOf(err))
		}
		return "", err
	}
	i.known[key] = foundImage{id: id, until: now.Add(imageLife)}
	return id, nil
}

func waitForImage(after time.Duration) error {
	return waitFor(after, "Waiting for the image to be found")
}

// begin returns what is known of the image; if that is nothing, the caller is to look for it.
func (i *images) begin(key imageKey, now time.Time) (found foundImage, known bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for other, image := range i.known {
		if image.id != "" && !now.Before(image.until) {
			delete(i.known, other)
		}
	}
	if found, known = i.known[key]; known {
		return found, true
	}
	if i.known == nil {
		i.known = map[imageKey]foundImage{}
	}
	i.known[key] = foundImage{}
	return foundImage{}, false
}

// imageProblem is the problem of an account that has no image for the machine, or does not let it
// be looked up; nil if that is not what the error says.
func imageProblem(account string, err error) *access.Problem {
	var notFound *image.NotFoundError
	var mismatch *image.MismatchError
	var noShape *image.ShapeNotFoundError
	problem := &access.Problem{Message: account + ": " + err.Error(), Err: err}
	switch {
	case errors.As(err, &notFound):
		problem.Reason = infrav1.ImageNotFoundReason
	case errors.As(err, &mismatch):
		problem.Reason = infrav1.ImageArchitectureMismatchReason
	case errors.As(err, &noShape):
		problem.Reason = infrav1.ShapeNotFoundReason
	case capacity.IsRefusal(err):
		told := access.AsProblem(err)
		problem.Reason, problem.Message = told.Reason, account+": the image cannot be looked up: "+told.Message
	default:
		return nil
	}
	return problem
}
