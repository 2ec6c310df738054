// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pools finds what machine pools have in an account, for those who may not import exp.
package pools

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachinepools;ocimeshmachinepoolmachines,verbs=get;list;watch

// pageSize bounds what one answer of the API server takes in memory, maxNamed how many objects of a
// kind a message names.
const pageSize, maxNamed = 500, 3

// kind is one that has something in accounts. It is a name here, since nothing but main may import
// exp.
type kind struct {
	name string
	// account is the field with the account's name; the status is recorded if one of the fields is
	// there.
	account  []string
	recorded [][]string
}

var kinds = []kind{
	{"OCIMeshMachinePool", []string{"spec", "account"}, [][]string{{"status", "pool", "attempt"}, {"status", "configuration", "id"}}},
	{"OCIMeshMachinePoolMachine", []string{"status", "account"}, [][]string{{"status", "account"}}},
}

// User is a pool, or the object of an instance of one.
type User struct {
	Kind, Namespace, Name string
	// Recorded is set if its status says that it has, or had, something in the account. Users can
	// write all else.
	Recorded bool
}

// Users use an account.
type Users []User

// Of are those of the account, or of all accounts if it is empty. Machine pools are behind a
// feature gate, and there may be no cache of them: the reader is to ask the API server.
func Of(ctx context.Context, reader client.Reader, account string, options ...client.ListOption) (Users, error) {
	var users Users
	for _, kind := range kinds {
		page := ""
		for {
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(infrav1.GroupVersion.WithKind(kind.name + "List"))
			paged := append(slices.Clone(options), client.Limit(pageSize), client.Continue(page))
			if err := reader.List(ctx, list, paged...); err != nil {
				return nil, fmt.Errorf("listing %ss: %w", kind.name, err)
			}
			for i := range list.Items {
				if user, uses := kind.user(&list.Items[i], account); uses {
					users = append(users, user)
				}
			}
			if page = list.GetContinue(); page == "" {
				break
			}
		}
	}
	return users, nil
}

func (k kind) user(object *unstructured.Unstructured, account string) (User, bool) {
	user := User{Kind: k.name, Namespace: object.GetNamespace(), Name: object.GetName()}
	for _, field := range k.recorded {
		_, there, err := unstructured.NestedFieldNoCopy(object.Object, field...)
		user.Recorded = user.Recorded || there && err == nil
	}
	name, _, _ := unstructured.NestedString(object.Object, k.account...)
	return user, account == "" || name == account
}

// String names some of each kind, and counts the others.
func (u Users) String() string {
	var parts []string
	for _, kind := range kinds {
		var names []string
		for _, user := range u {
			if user.Kind == kind.name {
				names = append(names, user.Namespace+"/"+user.Name)
			}
		}
		if more := len(names) - maxNamed; more > 0 {
			names = append(names[:maxNamed], fmt.Sprintf("%d more", more))
		}
		if len(names) > 0 {
			parts = append(parts, kind.name+"s "+strings.Join(names, ", "))
		}
	}
	return strings.Join(parts, " and ")
}
