// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"reflect"
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/fields"
)

// What is changed and not in the key has no effect until the manager is started anew.
func TestAnAccountHasAnotherClientForWhateverItIsBuiltFrom(t *testing.T) {
	others := map[string]string{
		"AllowedNamespaces":     "says who may use the client",
		"Budget":                "says what may be made with it",
		"Credentials.SecretRef": "names a Secret, whose UID and version are in the key",
	}
	for _, field := range fields.Leaves(reflect.TypeFor[infrav1.OCIAccountSpec](), others) {
		t.Run(field, func(t *testing.T) {
			account := &infrav1.OCIAccount{}
			before := sessionKey(account)
			fields.Fill(fields.At(reflect.ValueOf(&account.Spec).Elem(), field))
			changed := sessionKey(account) != before
			NewWithT(t).Expect(changed).To(Equal(others[field] == ""))
		})
	}
}
