// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"slices"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// Clearing is what this process has seen of one VCN on its way out, so that each part is listed
// once before it goes. It proves no absence: OCI deletes no VCN with something in it, and the VCN
// is gone only once OCI says so. After an error it is of no use any more.
type Clearing struct {
	waits *cloud.Waits
	began time.Time
	// vcn is the VCN, while its deletion is not asked for.
	vcn *oci.VCN
	// deleted is set once the deletion of the VCN was accepted.
	deleted bool
	// told is what was told last; wait is for the next look.
	told Removal
	wait *cloud.Wait
	// subnets, groups, gateways and tables are the kinds of its parts.
	subnets, groups, internet, nat, tables clearedKind
	// listed are the route tables whose rules were taken out.
	listed  []oci.RouteTable
	emptied bool
	// guessed are the parts that nobody has looked at since their time has passed; careful is set
	// once OCI has shown such a guess to be wrong.
	guessed *clearedKind
	careful bool
}

// clearedKind is how far the parts of one kind are: asked is set once their deletion was accepted,
// gone once a list showed none, or a guess that is not known to be wrong. ids are those listed.
type clearedKind struct {
	asked, gone bool
	ids         []string
}

// NewClearing has seen nothing.
func NewClearing(waits *cloud.Waits) *Clearing { return &Clearing{waits: waits, began: time.Now()} }

// IsOld tells that the Clearing is not believed any more.
func (k *Clearing) IsOld() bool { return time.Since(k.began) > lookLife }

// quiet returns what was told last, as long as there is nothing to look at.
func (k *Clearing) quiet() (Removal, bool) {
	if k.wait == nil {
		return Removal{}, false
	}
	told := k.told
	told.After = k.wait.After(time.Now())
	return told, told.After > 0
}

// await has the next look be when what was asked for can be done.
func (k *Clearing) await(told Removal) Removal {
	now := time.Now()
	if k.wait == nil {
		k.wait = k.waits.Begin(Part, now)
	} else {
		k.wait.Unfinished(now)
	}
	told.After = k.wait.After(now)
	k.told = told
	return told
}

// over says that what was waited for is done.
func (k *Clearing) over() {
	k.guessed = nil
	if k.wait != nil {
		k.wait.Finished(time.Now())
		k.wait = nil
	}
}

// clear deletes the VCN's parts and at last the VCN itself, as far as it goes. What takes OCI's
// time goes first: the subnet, once nothing is in it. Then nothing needs the routes any more, and
// security groups and gateways go along with it; nobody waits for these, since OCI keeps the VCN
// while they are there. name is the part in the way; done is set once the deletion of the VCN was
// accepted.
func (k *Clearing) clear(ctx context.Context, c deleteClient, owner ownership.Owner, own ownership.Proof) (name string, done bool, err error) {
	filter := oci.ListFilter{VCNID: own.ID(), Tags: owner.Tags()}
	kinds := kindsOf(c)
	if name, err := k.advanceOrGuess(ctx, owner, filter, kinds[kindSubnet], &k.subnets); err != nil {
		return name, false, err
	}
	if !k.groups.asked {
		if name, err := k.advance(ctx, owner, filter, kinds[kindGroup], &k.groups); err != nil {
			return name, false, err
		}
	}
	if err := k.empty(ctx, c, owner, filter); err != nil {
		return kinds[kindTable].name, false, err
	}
	for i, state := range []*clearedKind{&k.internet, &k.nat} {
		if state.asked || state == &k.nat && k.routedTo(k.internet.ids) {
			continue
		}
		if name, err := k.advance(ctx, owner, filter, kinds[kindInternet+i], state); err != nil {
			return name, false, err
		}
	}
	if !k.subnets.gone {
		return kinds[kindSubnet].name, false, nil
	}
	if !k.tables.asked {
		if name, err := k.advance(ctx, owner, filter, k.remembered(kinds[kindTable]), &k.tables); err != nil {
			return name, false, err
		}
		k.over()
	} else if name, err := k.advanceOrGuess(ctx, owner, filter, kinds[kindTable], &k.tables); err != nil {
		return name, false, err
	}
	if !k.tables.gone {
		return kinds[kindTable].name, false, nil
	}
	if err := ignoreNotFound(c.DeleteVCN(ctx, own)); err != nil {
		return vcnName, false, err
	}
	k.over()
	k.vcn, k.deleted = nil, true
	return "", true, nil
}

// advanceOrGuess is advance for parts that are waited for. Once the time has passed that such parts
// have always taken, the next step is tried without a list: OCI refuses it while they are there.
func (k *Clearing) advanceOrGuess(
	ctx context.Context, owner ownership.Owner, filter oci.ListFilter, kind removal, state *clearedKind,
) (string, error) {
	if state.asked && !state.gone && !k.careful && k.waits.Knows(Part) {
		state.gone, k.guessed = true, state
		return kind.name, nil
	}
	return k.advance(ctx, owner, filter, kind, state)
}

// wrong takes a guess back, if there is one: lists tell from now on when parts are gone.
func (k *Clearing) wrong() bool {
	if k.guessed == nil {
		return false
	}
	k.guessed.gone = false
	k.guessed, k.careful = nil, true
	return true
}

// advance lists the parts of a kind and deletes them, unless a list showed that there are none.
func (k *Clearing) advance(ctx context.Context, owner ownership.Owner, filter oci.ListFilter, kind removal, state *clearedKind) (string, error) {
	if state.gone {
		return kind.name, nil
	}
	found, err := kind.run(ctx, owner, filter)
	if err == nil {
		state.asked, state.gone, state.ids = len(found) > 0, len(found) == 0, found
	}
	return kind.name, err
}

// routedTo tells whether the route tables had rules, all of them to the gateways: there is no other
// one then. One that nothing was routed to is found once OCI refuses the VCN's deletion, since the
// tables have no rules by then.
func (k *Clearing) routedTo(gateways []string) bool {
	rules := 0
	for _, table := range k.listed {
		for _, rule := range table.Rules {
			if !slices.Contains(gateways, rule.TargetID) {
				return false
			}
			rules++
		}
	}
	return rules > 0
}

// empty takes the rules out of the route tables, which would keep the gateways.
func (k *Clearing) empty(ctx context.Context, c deleteClient, owner ownership.Owner, filter oci.ListFilter) error {
	if k.emptied {
		return nil
	}
	tables, err := c.ListRouteTables(ctx, filter)
	if err != nil {
		return err
	}
	for _, table := range tables {
		if table.State.IsEnding() || len(table.Rules) == 0 {
			continue
		}
		own, err := proof(owner, table.Resource)
		if err != nil {
			return err
		}
		if err := ignoreNotFound(c.UpdateRouteTable(ctx, own, oci.RouteTableUpdate{Rules: []oci.RouteRule{}})); err != nil {
			return err
		}
	}
	k.emptied, k.listed = true, tables
	return nil
}

// remembered is the kind of the route tables, with a list that was read before: none were made
// since.
func (k *Clearing) remembered(kind removal) removal {
	if k.tables.asked {
		return kind
	}
	kind.list = resources(
		func(context.Context, oci.ListFilter) ([]oci.RouteTable, error) { return k.listed, nil },
		func(t oci.RouteTable) oci.Resource { return t.Resource },
	)
	return kind
}

// assumed tells whether something may be on its way out that nobody waited for.
func (k *Clearing) assumed() bool {
	return k.groups.asked || k.internet.asked || k.nat.asked
}
