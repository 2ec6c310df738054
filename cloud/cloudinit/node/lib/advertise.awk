# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Sets localAPIEndpoint.advertiseAddress of kubeadm's InitConfiguration and of a control plane's
# JoinConfiguration to the variable "address", where it is unset, unspecified or the placeholder
# 100.64.0.0. An address that a user chose stays, and so does every other line. Exits 1 when a
# control plane's document would be left without an address.

function indent_of(line) { match(line, /^ */); return RLENGTH }

function blank(line) { return line ~ /^ *(#.*)?$/ }

function value_of(line) { sub(/^[^:]*: */, "", line); gsub(/["' ]/, "", line); return line }

function spaces(n,   s) { s = ""; while (n-- > 0) s = s " "; return s }

# Last line of the block that hangs below line i.
function block_end(i,   j, last) {
	last = i
	for (j = i + 1; j <= n; j++) {
		if (blank(lines[j])) continue
		if (indent_of(lines[j]) <= indent_of(lines[i])) break
		last = j
	}
	return last
}

# Line that holds key at exactly this indent, between two lines; 0 if there is none.
function find(key, indent, from, to,   i) {
	for (i = from; i <= to; i++)
		if (indent_of(lines[i]) == indent && index(substr(lines[i], indent + 1), key ":") == 1) return i
	return 0
}

# Sets the address in the block of localAPIEndpoint at line i.
function set_endpoint(i,   end, j, value) {
	value = value_of(lines[i])
	if (value == "{}" || value == "null") sub(/:.*/, ":", lines[i])
	else if (value != "") return 0
	end = block_end(i)
	for (j = i + 1; j <= end; j++)
		if (lines[j] ~ /^ *advertiseAddress:/) {
			value = value_of(lines[j])
			if (value == "" || value == "0.0.0.0" || value == "::" || value == "100.64.0.0" || value == "null")
				sub(/advertiseAddress:.*/, "advertiseAddress: " address, lines[j])
			return 1
		}
	lines[i] = lines[i] "\n" spaces(end > i ? indent_of(lines[i + 1]) : indent_of(lines[i]) + 2) "advertiseAddress: " address
	return 1
}

function edit(   top, i, inner) {
	if (kind == "InitConfiguration") {
		i = find("localAPIEndpoint", 0, 1, n)
		if (i) return set_endpoint(i)
		lines[++n] = "localAPIEndpoint:\n  advertiseAddress: " address
		return 1
	}
	if (kind != "JoinConfiguration" || !(top = find("controlPlane", 0, 1, n))) return 1
	if (value_of(lines[top]) == "{}") {
		lines[top] = "controlPlane:\n  localAPIEndpoint:\n    advertiseAddress: " address
		return 1
	}
	if (value_of(lines[top]) != "") return value_of(lines[top]) == "null"
	if (block_end(top) == top) return 1
	inner = indent_of(lines[top + 1])
	i = find("localAPIEndpoint", inner, top + 1, block_end(top))
	if (i) return set_endpoint(i)
	lines[top] = lines[top] "\n" spaces(inner) "localAPIEndpoint:\n" spaces(inner + 2) "advertiseAddress: " address
	return 1
}

function flush(   i) {
	if (!edit()) failed = 1
	for (i = 1; i <= n; i++) print lines[i]
	n = 0
	kind = ""
}

/^---/ { flush(); print; next }

{ lines[++n] = $0 }

/^kind:/ { kind = value_of($0) }

END { flush(); exit failed }
