// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import "github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"

// The functions below turn operations of the model into handlers: most of OCI's
// API has these five forms.

func creates[D, R any](operation func(*model.State, *model.User, D) (R, error)) handler {
	return func(c *call) (any, error) {
		var details D
		if err := decode(c.body, &details); err != nil {
			return nil, err
		}
		return result(operation(c.state, c.user, details))
	}
}

func gets[R any](operation func(*model.State, *model.User, string) (R, error)) handler {
	return func(c *call) (any, error) { return result(operation(c.state, c.user, c.path("id"))) }
}

func updates[D, R any](operation func(*model.State, *model.User, string, string, D) (R, error)) handler {
	return func(c *call) (any, error) {
		var details D
		if err := decode(c.body, &details); err != nil {
			return nil, err
		}
		return result(operation(c.state, c.user, c.path("id"), c.ifMatch(), details))
	}
}

func deletes(operation func(*model.State, *model.User, string, string) error) handler {
	return func(c *call) (any, error) { return nil, operation(c.state, c.user, c.path("id"), c.ifMatch()) }
}

// lists reads the common parameters of lists and one filter of the given name.
func lists[R any](filter string, operation func(*model.State, *model.User, model.ListQuery, string) ([]R, string, error)) handler {
	return func(c *call) (any, error) {
		query, err := c.listQuery()
		if err != nil {
			return nil, err
		}
		items, next, err := operation(c.state, c.user, query, c.query(filter))
		return page(c, items, next, err)
	}
}

// result keeps a nil pointer returned with an error from becoming a value.
func result[R any](value R, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return value, nil
}
