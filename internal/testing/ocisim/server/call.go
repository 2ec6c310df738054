// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"
)

// call is one authenticated request on its way through a handler.
type call struct {
	state   *model.State
	user    *model.User
	request *http.Request
	body    []byte
	header  http.Header
	// failure lets the work request of a launch or of a load balancer fail.
	failure *model.Error
	// accepted is, for a change answered with a work request only, the OCID behind its retry token.
	accepted string
}

// run executes a handler with the tenancy locked, and marshals its answer
// before the lock goes: nobody sees half a change.
func (c *call) run(entry route) answer {
	var result answer
	c.state.Do(func() {
		c.state.FailWork(c.failure)
		defer c.state.FailWork(nil)
		value, done, err := c.retried(entry)
		if err == nil && !done {
			value, err = entry.handle(c)
			if err == nil {
				c.remember(entry, value)
			}
		}
		if err != nil {
			result = refusal(err)
			return
		}
		result = c.render(entry, value)
	})
	return result
}

func (c *call) render(entry route, value any) answer {
	result := answer{status: http.StatusOK, header: c.header}
	if value == nil {
		result.status = http.StatusNoContent
		if entry.empty != 0 {
			result.status = entry.empty
		}
		return result
	}
	if text, ok := value.(plainText); ok {
		c.header.Set("Content-Type", "text/plain")
		result.body = []byte(text)
		return result
	}
	if tagged, ok := value.(interface{ Etag() string }); ok {
		c.header.Set("etag", tagged.Etag())
	}
	body, err := json.Marshal(value)
	if err != nil {
		return refusal(err)
	}
	result.body = body
	return result
}

// operationKey keeps retry tokens of different operations and resources apart.
func (c *call) operationKey(entry route) string {
	return entry.operation + " " + c.request.RequestURI
}

func (c *call) token() string {
	if c.request.Method != http.MethodPost && c.request.Method != http.MethodPut {
		return ""
	}
	return c.request.Header.Get("opc-retry-token")
}

// retried answers a repeated call with the same retry token, and tells whether it did.
func (c *call) retried(entry route) (any, bool, error) {
	made, found, err := c.state.Retried(c.operationKey(entry), c.token(), c.body)
	if err != nil || !found {
		return nil, false, err
	}
	if made.WorkRequest != "" {
		c.header.Set("opc-work-request-id", made.WorkRequest)
	}
	if made.Bare {
		return nil, true, nil
	}
	value, err := c.state.Item(c.user, made.ID)
	return value, true, err
}

func (c *call) remember(entry route, value any) {
	made := model.Created{WorkRequest: c.header.Get("opc-work-request-id")}
	if item, ok := value.(interface{ OCID() string }); ok {
		made.ID = item.OCID()
	} else if c.accepted != "" {
		made.ID, made.Bare = c.accepted, true
	} else {
		return
	}
	c.state.Remember(c.operationKey(entry), c.token(), c.body, made)
}

func (c *call) path(name string) string  { return c.request.PathValue(name) }
func (c *call) query(name string) string { return c.request.URL.Query().Get(name) }
func (c *call) ifMatch() string          { return c.request.Header.Get("if-match") }

func (c *call) work(request *model.WorkRequest) {
	if request != nil {
		c.header.Set("opc-work-request-id", request.ID)
	}
}

// plainText is an answer that is not JSON.
type plainText string

// number reads a query parameter that is a whole number.
func (c *call) number(name string, standard int) (int, error) {
	text := c.query(name)
	if text == "" {
		return standard, nil
	}
	value, err := strconv.Atoi(text)
	if err != nil {
		return 0, model.ErrInvalid("%s must be a number", name)
	}
	return value, nil
}

// flag reads a boolean query parameter.
func (c *call) flag(name string, standard bool) (bool, error) {
	text := c.query(name)
	if text == "" {
		return standard, nil
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		return false, model.ErrInvalid("%s must be true or false", name)
	}
	return value, nil
}

// listQuery reads the parameters common to all lists.
func (c *call) listQuery() (model.ListQuery, error) {
	query := model.ListQuery{
		CompartmentID: c.query("compartmentId"), DisplayName: c.query("displayName"), LifecycleState: c.query("lifecycleState"),
		SortBy: c.query("sortBy"), SortOrder: c.query("sortOrder"), Page: c.query("page"),
	}
	if text := c.query("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 {
			return query, model.ErrInvalid("limit must be a positive number")
		}
		query.Limit = limit
	}
	return query, nil
}

// page sets the header for the next page.
func page[T any](c *call, items []T, next string, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if next != "" {
		c.header.Set("opc-next-page", next)
	}
	if items == nil {
		items = []T{}
	}
	return items, nil
}
