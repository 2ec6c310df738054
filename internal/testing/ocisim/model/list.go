// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ListQuery has the parameters of all list operations. Zero values do not filter.
type ListQuery struct {
	CompartmentID  string
	DisplayName    string
	LifecycleState string
	SortBy         string
	SortOrder      string
	Page           string
	Limit          int
}

const (
	// MaxPage is the largest page of OCI's list operations.
	MaxPage = 1000
	// standardPage is the largest page by default. Oracle does not publish it.
	standardPage = 50
)

// list filters, sorts and pages the resources of one type. It returns one page
// and the token of the next, empty at the end.
func list[T resource](s *State, caller *User, query ListQuery, keep func(T) bool) ([]T, string, error) {
	if err := s.checkQuery(caller, query); err != nil {
		return nil, "", err
	}
	visibleUntil := s.world.clock.Now().Add(-s.world.delays.ListLag)
	items := []T{}
	for _, item := range all[T](s) {
		meta := item.meta()
		if meta.CompartmentID == query.CompartmentID && !meta.TimeCreated.After(visibleUntil) &&
			(query.DisplayName == "" || meta.DisplayName == query.DisplayName) &&
			(query.LifecycleState == "" || meta.LifecycleState == query.LifecycleState) && keep(item) {
			items = append(items, item)
		}
	}
	sortItems(s, items, query)
	return paginate(s, items, query, func(item T) string { return item.meta().ID })
}

func (s *State) checkQuery(caller *User, query ListQuery) error {
	if query.CompartmentID == "" {
		return ErrMissing("compartmentId")
	}
	if query.SortBy != "" && query.SortBy != "TIMECREATED" && query.SortBy != "DISPLAYNAME" {
		return ErrInvalid("Invalid sortBy: %s", query.SortBy)
	}
	if query.SortOrder != "" && query.SortOrder != "ASC" && query.SortOrder != "DESC" {
		return ErrInvalid("Invalid sortOrder: %s", query.SortOrder)
	}
	return s.checkCompartment(caller, query.CompartmentID)
}

// sortItems orders as OCI does: TIMECREATED newest first, DISPLAYNAME from A to
// Z, unless sortOrder says otherwise (oci-go-sdk core/list_vcns_request_response.go).
func sortItems[T resource](s *State, items []T, query ListQuery) {
	if query.SortBy == "" && query.SortOrder == "" {
		slices.SortStableFunc(items, func(a, b T) int { return s.order(a.meta(), b.meta()) })
		return
	}
	byName := query.SortBy == "DISPLAYNAME"
	descending := query.SortOrder == "DESC" || (query.SortOrder == "" && !byName)
	slices.SortStableFunc(items, func(a, b T) int {
		order := a.meta().TimeCreated.Compare(b.meta().TimeCreated)
		if order == 0 {
			order = a.meta().sequence - b.meta().sequence
		}
		if byName {
			if names := strings.Compare(a.meta().DisplayName, b.meta().DisplayName); names != 0 {
				order = names
			}
		}
		if descending {
			return -order
		}
		return order
	})
}

// paginate cuts a page. The token names the last item given and its place, so a page neither
// repeats nor skips items when others come or go meanwhile.
func paginate[T any](s *State, items []T, query ListQuery, id func(T) string) ([]T, string, error) {
	limit, err := pageSize(query.Limit, s.world.pageSize)
	if err != nil {
		return nil, "", err
	}
	start := 0
	if query.Page != "" {
		last, place, err := parsePage(query.Page)
		if err != nil {
			return nil, "", err
		}
		start = min(place, len(items))
		if found := slices.IndexFunc(items, func(item T) bool { return id(item) == last }); found >= 0 {
			start = found + 1
		}
	}
	end := start + s.pageLength(start, len(items)-start, limit)
	page := items[start:end]
	if len(page) == 0 || (end == len(items) && !s.endsEmpty(len(page))) {
		return page, "", nil
	}
	token := fmt.Sprintf("%d %s", end, id(page[len(page)-1]))
	return page, base64.RawURLEncoding.EncodeToString([]byte(token)), nil
}

func pageSize(limit, largest int) (int, error) {
	if limit < 0 || limit > MaxPage {
		return 0, ErrInvalid("limit must be between 1 and %d", MaxPage)
	}
	if limit == 0 {
		limit = standardPage
	}
	// OCI's limit is a maximum, so a server may give less.
	return min(limit, largest), nil
}

func parsePage(token string) (last string, place int, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	number, id, ok := strings.Cut(string(raw), " ")
	if err != nil || !ok {
		return "", 0, ErrInvalid("Invalid page token")
	}
	place, err = strconv.Atoi(number)
	if err != nil || place < 0 {
		return "", 0, ErrInvalid("Invalid page token")
	}
	return id, place, nil
}
