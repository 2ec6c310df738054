// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// v1 is Headscale's own API, of 0.28 and later: one that makes keys for tags without a user. Its
// parts are in proto/headscale/v1, the handlers in hscontrol/grpcv1.go of its source.
type v1 struct {
	base      *url.URL
	http      *http.Client
	authorize func(*http.Request)
	// headscale tells whether the server calls itself so, and its version.
	headscale func(context.Context) (version string, is bool, err error)
	// nodeAttrs is set if a policy may have them: 0.29 brought them.
	nodeAttrs bool
}

// newV1 is the API of a server that answered so to a question by v2: with an empty page and status
// 200 where it is 0.28.
func (c *Client) newV1(toV2 *responseError) *v1 {
	return &v1{base: c.base, http: c.plain, authorize: c.bearer, headscale: c.headscale, nodeAttrs: toV2 == nil || toV2.status != http.StatusOK}
}

func (v *v1) do(ctx context.Context, method, path string, query url.Values, body, into any) error {
	target := v.base.JoinPath("api/v1", path)
	target.RawQuery = query.Encode()
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), &content)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	err = send(v.http, req, v.authorize, into)
	var answer *responseError
	if !errors.As(err, &answer) {
		return err
	}
	switch {
	case answer.isBareRefusal():
		return fail(operationOf(ctx), ReasonCredentialsRefused, errors.New("the control server does not know the API key"))
	case answer.wantsUser():
		return fail(operationOf(ctx), ReasonTooOld, &TooOldError{})
	}
	return err
}

// gone is the answer for an identifier that no Headscale gives: they are numbers. It may be of
// another server, where the Tailnet object was at before.
func gone() error {
	return &responseError{status: http.StatusNotFound, json: true, code: grpcNotFound, message: "no such identifier"}
}

var number = regexp.MustCompile(`^[0-9]{1,20}$`)

func (v *v1) listDevices(ctx context.Context) ([]Device, error) {
	var listed struct {
		Nodes []v1Node `json:"nodes"`
	}
	if err := v.do(ctx, http.MethodGet, "node", nil, nil, &listed); err != nil {
		return nil, err
	}
	if listed.Nodes == nil {
		if err := v.askAgain(ctx, "node", "nodes", &listed.Nodes); err != nil {
			return nil, err
		}
	}
	out := make([]Device, 0, len(listed.Nodes))
	for i := range listed.Nodes {
		device, err := listed.Nodes[i].device(operationOf(ctx))
		if err != nil {
			return nil, err
		}
		out = append(out, device)
	}
	return out, nil
}

// askAgain asks again for a list that an answer did not hold: a page of maintenance is no empty
// tailnet, in which all machines would be lost.
func (v *v1) askAgain(ctx context.Context, path, field string, into any) error {
	var answer map[string]json.RawMessage
	if err := v.do(ctx, http.MethodGet, path, nil, nil, &answer); err != nil {
		return err
	}
	if hasList(answer, field) {
		return json.Unmarshal(answer[field], into)
	}
	is, err := isEmptyHeadscale(ctx, answer, v.headscale)
	if err == nil && !is {
		err = withoutList(ctx, field)
	}
	return err
}

func (v *v1) getNode(ctx context.Context, id string) (v1Node, error) {
	if !number.MatchString(id) {
		return v1Node{}, gone()
	}
	var found struct {
		Node *v1Node `json:"node"`
	}
	if err := v.do(ctx, http.MethodGet, "node/"+id, nil, nil, &found); err != nil {
		return v1Node{}, err
	}
	if found.Node == nil {
		return v1Node{}, fail(operationOf(ctx), ReasonNotControlServer, errors.New("the answer holds no node"))
	}
	return *found.Node, nil
}

func (v *v1) getDevice(ctx context.Context, id string) (Device, error) {
	node, err := v.getNode(ctx, id)
	if err != nil {
		return Device{}, err
	}
	return node.device(operationOf(ctx))
}

func (v *v1) deleteDevice(ctx context.Context, id string) error {
	if !number.MatchString(id) {
		return gone()
	}
	return v.do(ctx, http.MethodDelete, "node/"+id, nil, nil, nil)
}

func (v *v1) getRoutes(ctx context.Context, id string) (Routes, error) {
	node, err := v.getNode(ctx, id)
	if err != nil {
		return Routes{}, err
	}
	routes, err := routesOf(node.Available, node.Approved)
	if err != nil {
		return Routes{}, malformed(operationOf(ctx), id, err)
	}
	return routes, nil
}

// setRoutes passes routes on as they are: the server masks none, and keeps what is not advertised.
func (v *v1) setRoutes(ctx context.Context, id string, enabled []netip.Prefix) error {
	if !number.MatchString(id) {
		return gone()
	}
	body := struct {
		Routes []string `json:"routes"`
	}{textOf(enabled)}
	return v.do(ctx, http.MethodPost, "node/"+id+"/approve_routes", nil, body, nil)
}

// createKey makes a key that is nobody's: 0.28 and later take tags for its owner. The server keeps
// no description. Thus a key whose answer was lost cannot be told from others with its tags that
// were made in the same moment, for another machine or by another management cluster. So none is
// ended that status has not recorded: it can be used once, by who has its secret, and nobody has;
// it dies within its hour. A pool's replaced key dies within its day.
func (v *v1) createKey(ctx context.Context, spec KeySpec) (Key, error) {
	ends := time.Now().Add(spec.life())
	body := struct {
		Reusable   bool      `json:"reusable"`
		Ephemeral  bool      `json:"ephemeral"`
		Expiration time.Time `json:"expiration"`
		Tags       []string  `json:"aclTags"`
	}{spec.Reusable, false, ends.UTC().Truncate(time.Second), spec.Tags}
	var made struct {
		Key *v1Key `json:"preAuthKey"`
	}
	err := v.do(ctx, http.MethodPost, "preauthkey", nil, body, &made)
	var answer *responseError
	switch {
	case errors.As(err, &answer) && strings.Contains(answer.message, capitalTag):
		capitals := slices.DeleteFunc(slices.Clone(spec.Tags), func(tag string) bool { return tag == strings.ToLower(tag) })
		return Key{}, fail(operationOf(ctx), ReasonTagRefused, &TagError{Tags: capitals, Capitals: true})
	case err != nil:
		return Key{}, err
	}
	if made.Key == nil || made.Key.ID == "" || made.Key.Secret == "" {
		return Key{}, fail(operationOf(ctx), ReasonNotControlServer, errors.New("the answer holds no key"))
	}
	key := made.Key.key(time.Now())
	key.Secret = made.Key.Secret
	if key.Expires.IsZero() {
		key.Expires = body.Expiration
	}
	return key, nil
}

func (v *v1) listKeys(ctx context.Context) ([]Key, error) {
	var listed struct {
		Keys []v1Key `json:"preAuthKeys"`
	}
	if err := v.do(ctx, http.MethodGet, "preauthkey", nil, nil, &listed); err != nil {
		return nil, err
	}
	if listed.Keys == nil {
		if err := v.askAgain(ctx, "preauthkey", "preAuthKeys", &listed.Keys); err != nil {
			return nil, err
		}
	}
	now := time.Now()
	out := make([]Key, 0, len(listed.Keys))
	for i := range listed.Keys {
		out = append(out, listed.Keys[i].key(now))
	}
	return out, nil
}

func (v *v1) liveKeys(ctx context.Context) (map[string]bool, error) {
	keys, err := v.listKeys(ctx)
	if err != nil {
		return nil, err
	}
	live := make(map[string]bool, len(keys))
	for _, key := range keys {
		live[key.ID] = !key.Invalid
	}
	return live, nil
}

// revokeKey expires the key. Deleted, it would no longer be named by the device that joined with it
// (watched on 0.29.2: preAuthKey is null after the server's next start), and that is the proof of
// whose the device is. An unknown key is no error to the server.
func (v *v1) revokeKey(ctx context.Context, id string) error {
	if !number.MatchString(id) {
		return gone()
	}
	body := struct {
		ID string `json:"id"`
	}{id}
	return v.do(ctx, http.MethodPost, "preauthkey/expire", nil, body, nil)
}

// discardKey deletes the key: the server keeps those that have expired.
func (v *v1) discardKey(ctx context.Context, id string) error {
	if !number.MatchString(id) {
		return gone()
	}
	return v.do(ctx, http.MethodDelete, "preauthkey", url.Values{"id": {id}}, nil, nil)
}

func (v *v1) describesKeys() bool { return false }

func (v *v1) takesNodeAttrs() bool { return v.nodeAttrs }

// withoutPolicy are the server's words where no policy is configured: none in the database, and no
// path of a file. Sources: ErrPolicyNotFound in hscontrol/types, GetPolicy in hscontrol/grpcv1.go.
var withoutPolicy = []string{"acl policy not found", `reading policy from path ""`}

func (v *v1) policy(ctx context.Context) (string, error) {
	var found struct {
		Policy string `json:"policy"`
	}
	err := v.do(ctx, http.MethodGet, "policy", nil, nil, &found)
	var answer *responseError
	if errors.As(err, &answer) && slices.ContainsFunc(withoutPolicy, func(words string) bool { return strings.Contains(answer.message, words) }) {
		return "", nil
	}
	return found.Policy, err
}
