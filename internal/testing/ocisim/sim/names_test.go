// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/oracle/oci-go-sdk/v65/limits"
	"github.com/oracle/oci-go-sdk/v65/loadbalancer"
	"github.com/oracle/oci-go-sdk/v65/networkloadbalancer"
	"github.com/oracle/oci-go-sdk/v65/workrequests"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"
)

// sdk are the clients of the services that are simulated.
var sdk = []reflect.Type{
	reflect.TypeFor[core.ComputeClient](), reflect.TypeFor[core.VirtualNetworkClient](), reflect.TypeFor[core.BlockstorageClient](),
	reflect.TypeFor[core.ComputeManagementClient](), reflect.TypeFor[identity.IdentityClient](), reflect.TypeFor[limits.LimitsClient](),
	reflect.TypeFor[workrequests.WorkRequestClient](), reflect.TypeFor[networkloadbalancer.NetworkLoadBalancerClient](),
	reflect.TypeFor[loadbalancer.LoadBalancerClient](),
}

// operations are OCI's names of the operations that the model calls otherwise, or that several
// services have: package and method of the SDK.
var operations = map[string][]string{
	"Action": {"core.InstanceAction"}, "ListShapes": {"core.ListShapes"},
	"AddRules": {"core.AddNetworkSecurityGroupSecurityRules"}, "UpdateRules": {"core.UpdateNetworkSecurityGroupSecurityRules"},
	"RemoveRules": {"core.RemoveNetworkSecurityGroupSecurityRules"}, "ListRules": {"core.ListNetworkSecurityGroupSecurityRules"},
	"CreateNsg": {"core.CreateNetworkSecurityGroup"}, "GetNsg": {"core.GetNetworkSecurityGroup"},
	"ListNsgs": {"core.ListNetworkSecurityGroups"}, "UpdateNsg": {"core.UpdateNetworkSecurityGroup"},
	"ListNsgVnics":   {"core.ListNetworkSecurityGroupVnics"},
	"CreatePublicIP": {"core.CreatePublicIp"}, "GetPublicIP": {"core.GetPublicIp"},
	"ConnectRemotePeering": {"core.ConnectRemotePeeringConnections"}, "CreateRemotePeering": {"core.CreateRemotePeeringConnection"},
	"GetRemotePeering": {"core.GetRemotePeeringConnection"}, "ListRemotePeerings": {"core.ListRemotePeeringConnections"},
	"ListImageShapes":     {"core.ListImageShapeCompatibilityEntries"},
	"CreateConfiguration": {"core.CreateInstanceConfiguration"}, "GetConfiguration": {"core.GetInstanceConfiguration"},
	"ListConfigurations": {"core.ListInstanceConfigurations"},
	"CreatePool":         {"core.CreateInstancePool"}, "GetPool": {"core.GetInstancePool"}, "ListPools": {"core.ListInstancePools"},
	"UpdatePool": {"core.UpdateInstancePool"}, "DetachFromPool": {"core.DetachInstancePoolInstance"},
	"GetPoolInstance": {"core.GetInstancePoolInstance"}, "ListPoolInstances": {"core.ListInstancePoolInstances"},

	"ListLimitServices": {"limits.ListServices"}, "ListServices": {"core.ListServices"}, "GetAvailability": {"limits.GetResourceAvailability"},
	"Subscriptions":    {"identity.ListRegionSubscriptions"},
	"GetWorkRequest":   {"workrequests.GetWorkRequest", "networkloadbalancer.GetWorkRequest"},
	"ListWorkErrors":   {"workrequests.ListWorkRequestErrors", "networkloadbalancer.ListWorkRequestErrors"},
	"ListWorkRequests": {"workrequests.ListWorkRequests", "networkloadbalancer.ListWorkRequests"},

	"CreateNlb": {"networkloadbalancer.CreateNetworkLoadBalancer"}, "GetNlb": {"networkloadbalancer.GetNetworkLoadBalancer"},
	"ListNlbs": {"networkloadbalancer.ListNetworkLoadBalancers"}, "UpdateNlb": {"networkloadbalancer.UpdateNetworkLoadBalancer"},
	"UpdateNlbGroups": {"networkloadbalancer.UpdateNetworkSecurityGroups"},
	"BackendSet":      {"networkloadbalancer.GetBackendSet"}, "CreateBackendSet": {"networkloadbalancer.CreateBackendSet"},
	"UpdateBackendSet": {"networkloadbalancer.UpdateBackendSet"}, "UpdateHealthChecker": {"networkloadbalancer.UpdateHealthChecker"},
	"Backend": {"networkloadbalancer.GetBackend"}, "CreateBackend": {"networkloadbalancer.CreateBackend"},
	"UpdateBackend":  {"networkloadbalancer.UpdateBackend"},
	"CreateListener": {"networkloadbalancer.CreateListener"}, "UpdateListener": {"networkloadbalancer.UpdateListener"},

	"CreateLb": {"loadbalancer.CreateLoadBalancer"}, "GetLb": {"loadbalancer.GetLoadBalancer"}, "ListLbs": {"loadbalancer.ListLoadBalancers"},
	"UpdateLb": {"loadbalancer.UpdateLoadBalancer"}, "UpdateLbShape": {"loadbalancer.UpdateLoadBalancerShape"},
	"UpdateLbGroups": {"loadbalancer.UpdateNetworkSecurityGroups"},
	"CreateLbSet":    {"loadbalancer.CreateBackendSet"}, "UpdateLbSet": {"loadbalancer.UpdateBackendSet"},
	"CreateLbBackend": {"loadbalancer.CreateBackend"}, "CreateLbListener": {"loadbalancer.CreateListener"},
	"UpdateLbListener": {"loadbalancer.UpdateListener"},
	"GetLbWork":        {"loadbalancer.GetWorkRequest"}, "ListLbWork": {"loadbalancer.ListWorkRequests"},
}

// union are the forms of what the SDK has as an interface. Its discriminator stands in the SDK's
// marshalling code, not in its structs.
type union struct {
	discriminator string
	forms         []any
}

var unions = map[reflect.Type]union{
	reflect.TypeFor[core.InstanceSourceDetails](): {"sourceType", []any{core.InstanceSourceViaImageDetails{}, core.InstanceSourceViaBootVolumeDetails{}}},
	reflect.TypeFor[core.AttachVolumeDetails](): {"type", []any{
		core.AttachIScsiVolumeDetails{}, core.AttachParavirtualizedVolumeDetails{},
	}},
	reflect.TypeFor[core.VolumeAttachment]():                     {"attachmentType", []any{core.IScsiVolumeAttachment{}, core.ParavirtualizedVolumeAttachment{}}},
	reflect.TypeFor[core.LaunchAttachVolumeDetails]():            {"type", []any{core.LaunchAttachIScsiVolumeDetails{}, core.LaunchAttachParavirtualizedVolumeDetails{}}},
	reflect.TypeFor[core.LaunchCreateVolumeDetails]():            {"volumeCreationType", []any{core.LaunchCreateVolumeFromAttributes{}}},
	reflect.TypeFor[core.BootVolumeSourceDetails]():              {"type", []any{core.BootVolumeSourceFromBootVolumeDetails{}}},
	reflect.TypeFor[core.PreemptionAction]():                     {"type", []any{core.TerminatePreemptionAction{}}},
	reflect.TypeFor[core.CreateInstanceConfigurationBase]():      {"source", []any{core.CreateInstanceConfigurationDetails{}}},
	reflect.TypeFor[core.InstanceConfigurationInstanceDetails](): {"instanceType", []any{core.ComputeInstanceDetails{}}},
	reflect.TypeFor[core.InstanceConfigurationInstanceSourceDetails](): {"sourceType", []any{
		core.InstanceConfigurationInstanceSourceViaImageDetails{}, core.InstanceConfigurationInstanceSourceViaBootVolumeDetails{},
	}},
	reflect.TypeFor[core.InstanceConfigurationAttachVolumeDetails](): {"type", []any{
		core.InstanceConfigurationIscsiAttachVolumeDetails{}, core.InstanceConfigurationParavirtualizedAttachVolumeDetails{},
	}},
	reflect.TypeFor[core.DrgAttachmentNetworkCreateDetails](): {"type", []any{core.VcnDrgAttachmentNetworkCreateDetails{}}},
	reflect.TypeFor[core.DrgAttachmentNetworkDetails]():       {"type", []any{core.VcnDrgAttachmentNetworkDetails{}}},
}

// The simulator's bodies are written by hand; a misspelt field would refuse good
// requests, or never be read by a client. All operations of the model are compared, with all that
// their bodies hold.
func TestFieldNamesAreOCIs(t *testing.T) {
	g := NewWithT(t)
	pairs := counterparts{}
	pairs.add(reflect.TypeFor[model.Meta](), reflect.TypeFor[core.Instance]())
	used := map[string]bool{}
	state := reflect.TypeFor[*model.State]()
	for i := range state.NumMethod() {
		method := state.Method(i)
		takes, gives := bodiesOf(method)
		if takes == nil && gives == nil {
			continue
		}
		used[method.Name] = true
		theirs := operationsOf(method.Name)
		g.Expect(theirs).NotTo(BeEmpty(), "State.%s is an operation of OCI's: name it in operations", method.Name)
		for _, operation := range theirs {
			if takes != nil {
				pairs.add(takes, bodyOf(t, operation.Type.In(2), "contributesTo"))
			}
			if gives != nil {
				pairs.add(gives, bodyOf(t, operation.Type.Out(0), "presentIn"))
			}
		}
	}
	for name := range operations {
		g.Expect(used[name]).To(BeTrue(), "State.%s has no body", name)
	}
	g.Expect(len(pairs)).To(BeNumerically(">", 80))
	for ours, theirs := range pairs {
		for name := range fieldsOf(ours, meta) {
			g.Expect(theirs.has(name)).To(BeTrue(), "%s.%s is in none of %v", ours, name, slices.Collect(maps.Keys(theirs)))
		}
	}
}

// bodiesOf are the types that a method takes and gives and that have JSON names. A change that OCI
// answers with the header of a work request gives none.
func bodiesOf(method reflect.Method) (takes, gives reflect.Type) {
	isBody := func(of reflect.Type) bool { return isObject(plain(of)) }
	for i := 1; i < method.Type.NumIn(); i++ {
		if of := method.Type.In(i); isBody(of) {
			takes = of
		}
	}
	of := method.Type.Out
	if method.Type.NumOut() == 0 || !isBody(of(0)) {
		return takes, nil
	}
	isWork := of(0) == reflect.TypeFor[*model.WorkRequest]() || of(0) == reflect.TypeFor[*model.LbWorkRequest]()
	if isWork && !strings.HasPrefix(method.Name, "Get") {
		return takes, nil
	}
	return takes, of(0)
}

// operationsOf are the SDK's methods for a method of the model.
func operationsOf(name string) []reflect.Method {
	var found []reflect.Method
	for _, client := range sdk {
		for i := range client.NumMethod() {
			method := client.Method(i)
			names := operations[name]
			is := names == nil && method.Name == name
			for _, named := range names {
				is = is || named == path.Base(client.PkgPath())+"."+method.Name
			}
			if is {
				found = append(found, method)
			}
		}
	}
	return found
}

// bodyOf is the type of a request's or a response's body.
func bodyOf(t *testing.T, of reflect.Type, tag string) reflect.Type {
	t.Helper()
	for field := range of.Fields() {
		if field.Tag.Get(tag) == "body" {
			return field.Type
		}
	}
	t.Fatalf("%s has no body", of)
	return nil
}

// meta is what all resources have. It is compared once: some kinds have less of it, and clients
// pass over the rest.
var meta = reflect.TypeFor[model.Meta]()

// counterparts are the types of OCI's that each of ours stands for.
type counterparts map[reflect.Type]types

type types map[reflect.Type]bool

func (t types) has(name string) bool {
	for of := range t {
		if fieldsOf(of, nil)[name] != nil {
			return true
		}
	}
	return false
}

// add notes a pair, and the pairs of their fields.
func (c counterparts) add(ours, theirs reflect.Type) {
	if ours.Kind() == reflect.Slice && theirs.Kind() == reflect.Struct {
		// A list in an object of its own.
		theirs = fieldsOf(theirs, nil)["items"]
	}
	ours, theirs = plain(ours), plain(theirs)
	if !isObject(ours) || c[ours][theirs] {
		return
	}
	if c[ours] == nil {
		c[ours] = types{}
	}
	c[ours][theirs] = true
	known := fieldsOf(theirs, nil)
	for name, field := range fieldsOf(ours, meta) {
		if known[name] != nil {
			c.add(field, known[name])
		}
	}
}

// isObject tells whether the type is a struct with JSON names.
func isObject(of reflect.Type) bool { return of.Kind() == reflect.Struct && len(fieldsOf(of, nil)) > 0 }

// plain is the type that pointers, lists and maps are of.
func plain(of reflect.Type) reflect.Type {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice || of.Kind() == reflect.Map {
		of = of.Elem()
	}
	return of
}

// fieldsOf are a struct's or a union's fields by their JSON names, without those of one embedded
// type.
func fieldsOf(of, without reflect.Type) map[string]reflect.Type {
	found := map[string]reflect.Type{}
	if of.Kind() == reflect.Interface {
		forms, known := unions[of]
		if !known {
			panic(fmt.Sprintf("%s is a union: name its forms in unions", of))
		}
		found[forms.discriminator] = reflect.TypeFor[string]()
		for _, form := range forms.forms {
			maps.Copy(found, fieldsOf(reflect.TypeOf(form), nil))
		}
		return found
	}
	if of.Kind() != reflect.Struct {
		return found
	}
	for field := range of.Fields() {
		if field.Anonymous && field.Type != without {
			maps.Copy(found, fieldsOf(plain(field.Type), without))
			continue
		}
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
			found[name] = field.Type
		}
	}
	return found
}
