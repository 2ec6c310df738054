// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
)

// v1ListNodes is the only call that tells which routes a node serves, and calls the user of a node
// with tags "tagged-devices" (nodesToProto in hscontrol/grpcv1.go).
func (s *Server) v1ListNodes(r *http.Request) (any, *v1Error) {
	name := r.URL.Query().Get("user")
	if name != "" && !slices.ContainsFunc(s.users, func(u *user) bool { return u.name == name }) {
		return nil, refuse(codeUnknown, "user not found")
	}
	out := []v1Node{}
	for _, d := range s.devices {
		if name != "" && d.User != name {
			continue
		}
		body := s.v1NodeBody(d)
		if len(d.Tags) > 0 && s.opts.Mode != Headscale026 {
			body.User = taggedDevices.body()
		}
		body.SubnetRoutes = texts(append(s.served(d), exitRoutes(d)...))
		out = append(out, body)
	}
	return v1NodesAnswer{out}, nil
}

// v1GetNode tells no served routes (GetNode in hscontrol/grpcv1.go).
func (s *Server) v1GetNode(r *http.Request) (any, *v1Error) {
	d, refused := s.v1Node(r)
	if refused != nil {
		return nil, refused
	}
	return v1NodeAnswer{s.v1NodeBody(d)}, nil
}

func (s *Server) v1Node(r *http.Request) (*device, *v1Error) {
	id, refused := nodeID(r)
	if refused != nil {
		return nil, refused
	}
	d := s.deviceOf(id)
	if d == nil {
		return nil, refuse(codeNotFound, "node not found")
	}
	return d, nil
}

func (s *Server) v1DeleteNode(r *http.Request) (any, *v1Error) {
	d, refused := s.v1Node(r)
	if refused != nil {
		return nil, refused
	}
	s.remove(d)
	s.reelect(d.Advertised...)
	return v1Nothing{}, nil
}

// v1ApproveRoutes replaces the approved routes by these, announced or not, as they are. It looks at
// the routes first, and the answer tells of the routes served all but those of an exit node
// (SetApprovedRoutes in hscontrol/grpcv1.go).
func (s *Server) v1ApproveRoutes(r *http.Request) (any, *v1Error) {
	var req struct {
		Routes []string `json:"routes"`
	}
	if refused := decode(r, &req); refused != nil {
		return nil, refused
	}
	id, refused := nodeID(r)
	if refused != nil {
		return nil, refused
	}
	approved := []netip.Prefix{}
	for _, text := range req.Routes {
		prefix, err := netip.ParsePrefix(text)
		switch {
		case err != nil:
			return nil, refuse(codeUnknown, "parsing route: %s", err)
		case isExit(prefix):
			approved = append(approved, allIPv4, allIPv6)
		default:
			approved = append(approved, prefix)
		}
	}
	d := s.deviceOf(id)
	if d == nil {
		return nil, refuse(codeInvalidArgument, "node no longer exists in NodeStore: %s", id)
	}
	slices.SortFunc(approved, netip.Prefix.Compare)
	d.Enabled = slices.Compact(approved)
	if !slices.ContainsFunc(d.Advertised, d.routes) {
		d.unhealthy = false
	}
	s.reelect(d.Advertised...)
	body := s.v1NodeBody(d)
	body.SubnetRoutes = texts(s.served(d))
	return v1NodeAnswer{body}, nil
}

func (s *Server) v1RenameNode(r *http.Request) (any, *v1Error) {
	id, refused := nodeID(r)
	if refused != nil {
		return nil, refused
	}
	name := r.PathValue("name")
	d := s.deviceOf(id)
	switch {
	case d == nil:
		return nil, refuse(codeUnknown, "node no longer exists in NodeStore: %s", id)
	case slices.ContainsFunc(s.devices, func(other *device) bool { return other != d && other.Name == name }):
		return nil, refuse(codeUnknown, "node name is not unique: %s", name)
	}
	d.Name = name
	return v1NodeAnswer{s.v1NodeBody(d)}, nil
}

var allIPv4, allIPv6 = netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")

func isExit(prefix netip.Prefix) bool { return prefix == allIPv4 || prefix == allIPv6 }

// exitRoutes are the announced and approved ones of an exit node, of which there is no election.
func exitRoutes(d *device) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(d.Advertised), func(prefix netip.Prefix) bool {
		return !isExit(prefix) || !slices.Contains(d.Enabled, prefix)
	})
}

// served are the routes of which the device is the primary router.
func (s *Server) served(d *device) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(d.Advertised), func(prefix netip.Prefix) bool {
		return isExit(prefix) || s.primaries[prefix] != d.ID
	})
}

// v1NodeBody is Node.Proto in hscontrol/types/node.go.
func (s *Server) v1NodeBody(d *device) v1Node {
	number := fmt.Sprintf("%064x", d.serial)
	body := v1Node{
		ID: d.ID, MachineKey: "mkey:" + number, NodeKey: "nodekey:" + number, DiscoKey: "discokey:" + number,
		IPAddresses: addresses(d), Name: d.Hostname, LastSeen: protoTime(d.LastSeen), CreatedAt: protoTime(d.Created),
		RegisterMethod: "REGISTER_METHOD_CLI", GivenName: d.Name, Online: d.Online,
		ApprovedRoutes: texts(d.Enabled), AvailableRoutes: texts(d.Advertised), SubnetRoutes: []string{},
	}
	tags := listed(d.Tags)
	if s.opts.Mode == Headscale026 {
		body.ForcedTags, body.InvalidTags, body.ValidTags = &tags, &[]string{}, &[]string{}
	} else {
		body.Tags = &tags
	}
	if d.User != "" {
		body.User = s.userOf(d.User).body()
	}
	if d.joinedWith != nil {
		key := s.v1KeyBody(d.joinedWith)
		body.PreAuthKey, body.RegisterMethod = &key, "REGISTER_METHOD_AUTH_KEY"
		if s.opts.Mode == Headscale028 && d.joinedWith.owner != nil {
			// Until 0.28 a node with tags keeps the user who made its key (createAndSaveNewNode in
			// hscontrol/state/state.go of v0.28.0).
			body.User = d.joinedWith.owner.body()
		}
	}
	switch {
	case d.LoggedOut:
		expiry := protoTime(d.LastSeen)
		body.Expiry = &expiry
	case !d.Expires.IsZero() && !d.KeyExpiryDisabled:
		expiry := protoTime(d.Expires)
		body.Expiry = &expiry
	}
	return body
}
