// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package placement

import "fmt"

// Tolerated is how many of so many control planes may be lost: etcd keeps its quorum, of more than
// half, without them.
func Tolerated(controlPlanes int) int { return max(0, (controlPlanes-1)/2) }

// leastForQuorum is the least number of control planes of which one may be lost.
const leastForQuorum = 3

// members is how many control planes there are to be, the machine included.
func (f Facts) members(count counts) int { return max(f.ControlPlanes, count.groupTotal+1) }

// excess is by how many control planes an account would hold more than may be lost, with the
// machine there: the loss of the account would take etcd's quorum. It is 0 for other machines.
func (f Facts) excess(account Place, count counts) int {
	if !f.ControlPlane {
		return 0
	}
	return max(0, count.group[account]+1-Tolerated(f.members(count)))
}

// dependence says that etcd's quorum would depend on the account; empty if it would not, or if
// there are too few control planes for it to depend on less than all of them.
func (f Facts) dependence(account Place, count counts) string {
	members := f.members(count)
	if f.excess(account, count) == 0 || members < leastForQuorum {
		return ""
	}
	return fmt.Sprintf(", and with %d of %d control planes there etcd's quorum depends on account %s",
		count.group[account]+1, members, account.Account)
}
