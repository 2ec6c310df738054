// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"cmp"
	"fmt"
	"net/url"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// isHeadscale tells whether the control server is somebody's own. What else but Headscale it could
// be is not known.
func isHeadscale(tn *infrav1.Tailnet) bool { return tn.Spec.LoginServer != "" || tn.Spec.APIURL != "" }

func lookAt(tn *infrav1.Tailnet) string {
	if isHeadscale(tn) {
		return "Look at them: headscale nodes list, headscale preauthkeys list."
	}
	return "Look at them: https://login.tailscale.com/admin/machines and /admin/settings/keys."
}

// removeDevice is the command. Sources: Headscale's cmd/headscale/cli/nodes.go (delete
// --identifier), Tailscale's API reference (DELETE /device/{deviceId}).
func removeDevice(tn *infrav1.Tailnet, id string) string {
	if isHeadscale(tn) {
		return "headscale nodes delete --identifier " + id
	}
	return deleteAt("device/" + id)
}

// removeKey is the command. Sources: Headscale's cmd/headscale/cli/preauthkeys.go (expire --id,
// since 0.28), Tailscale's API reference (DELETE /tailnet/{tailnet}/keys/{keyId}).
func removeKey(tn *infrav1.Tailnet, id string) string {
	if isHeadscale(tn) {
		return "headscale preauthkeys expire --id " + id
	}
	return deleteAt("tailnet/" + url.PathEscape(cmp.Or(tn.Spec.TailnetName, "-")) + "/keys/" + id)
}

func deleteAt(path string) string {
	return fmt.Sprintf(`curl -X DELETE -H "Authorization: Bearer $TOKEN" "https://api.tailscale.com/api/v2/%s"`, path)
}
