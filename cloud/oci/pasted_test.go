// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// utf16Of is a text as PowerShell writes it.
func utf16Of(text string) string {
	out := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = append(out, byte(unit), byte(unit>>8))
	}
	return string(out)
}

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func indent(text, with string) string {
	return with + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+with) + "\n"
}

// manglings are the ways in which consoles, editors, shells and YAML change what is pasted.
var manglings = map[string]func(key string) string{
	"nothing":                         func(key string) string { return key },
	"no line end at the end":          strings.TrimSpace,
	"carriage returns":                func(key string) string { return strings.ReplaceAll(key, "\n", "\r\n") },
	"old Mac's line ends":             func(key string) string { return strings.ReplaceAll(key, "\n", "\r") },
	"escaped line ends":               func(key string) string { return strings.ReplaceAll(key, "\n", `\n`) },
	"line ends escaped twice":         func(key string) string { return strings.ReplaceAll(key, "\n", `\\n`) },
	"escaped carriage returns":        func(key string) string { return strings.ReplaceAll(key, "\n", `\r\n`) },
	"indented":                        func(key string) string { return indent(key, "    ") },
	"indented with tabs":              func(key string) string { return indent(key, "\t") },
	"quoted as in a mail":             func(key string) string { return indent(key, "> ") },
	"a pipe of YAML's before it":      func(key string) string { return "|\n" + indent(key, "  ") },
	"its name before it":              func(key string) string { return "key: |\n" + indent(key, "  ") },
	"in quotes":                       func(key string) string { return `"` + key + `"` },
	"in single quotes":                func(key string) string { return "'" + strings.TrimSpace(key) + "'\n" },
	"in a JSON text":                  func(key string) string { return fmt.Sprintf("%q,\n", key) },
	"in typographic quotes":           func(key string) string { return "“" + key + "”" },
	"spaces for line ends":            func(key string) string { return strings.ReplaceAll(strings.TrimSpace(key), "\n", " ") },
	"line ends lost":                  func(key string) string { return strings.ReplaceAll(key, "\n", "") },
	"blank lines between":             func(key string) string { return strings.ReplaceAll(key, "\n", "\n\n") },
	"spaces at the lines' ends":       func(key string) string { return strings.ReplaceAll(key, "\n", "  \n") },
	"backslashes at the lines' ends":  func(key string) string { return strings.ReplaceAll(key, "\n", "\\\n") },
	"base64":                          base64Of,
	"base64 twice":                    func(key string) string { return base64Of(base64Of(key)) },
	"base64 with a line end":          func(key string) string { return base64Of(key) + "\n" },
	"base64 without padding":          func(key string) string { return strings.TrimRight(base64Of(key), "=") },
	"base64 in quotes":                func(key string) string { return `"` + base64Of(key) + `"` },
	"a byte order mark":               func(key string) string { return "\ufeff" + key },
	"UTF-16":                          utf16Of,
	"invisible characters":            func(key string) string { return strings.ReplaceAll(key, "\n", "\u200b\n\u00a0") },
	"long dashes":                     func(key string) string { return strings.ReplaceAll(key, "-----", "—–") },
	"the console's label":             func(key string) string { return key + "OCI_API_KEY\n" },
	"the console's label on the line": func(key string) string { return strings.TrimSpace(key) + "OCI_API_KEY" },
	"the console's label before it":   func(key string) string { return "OCI_API_KEY\n" + key },
	"a public key before it":          func(key string) string { return publicKey + key },
	"a certificate after it":          func(key string) string { return key + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
	"a shell's prompt and cat":        func(key string) string { return "$ cat oci_api_key.pem\n" + key + "$ \n" },
	"openssl's attributes before it": func(key string) string {
		return "Bag Attributes\n    localKeyID: 01 02\nKey Attributes: <No Attributes>\n" + key
	},
	"a line end in the middle of one":  func(key string) string { return key[:len(key)-100] + "\n" + key[len(key)-100:] },
	"an environment's variable before": func(key string) string { return "OCI_KEY=\"" + key + "\"" },
}

const publicKey = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"

func TestAPastedKeyIsTaken(t *testing.T) {
	forms := map[string]struct{ key, passphrase string }{
		"PKCS#1":           {string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(testKey())})), ""},
		"PKCS#8":           {string(pkcs8PEM(t, testKey())), ""},
		"encrypted PKCS#1": {string(encryptedKeyPEM(t)), passphrase},
	}
	for form, of := range forms {
		for name, mangle := range manglings {
			t.Run(form+" with "+name, func(t *testing.T) {
				g := NewWithT(t)
				config := testConfig(t, "http://127.0.0.1:1")
				config.Principal.User.PrivateKeyPEM, config.Principal.User.Passphrase = []byte(mangle(of.key)), of.passphrase

				_, err := oci.NewClient(config)

				g.Expect(err).NotTo(HaveOccurred())
			})
		}
	}
	for name, key := range map[string]string{
		"the body alone":        base64Of(string(x509.MarshalPKCS1PrivateKey(testKey()))),
		"the body of PKCS#8":    bodyOf(string(pkcs8PEM(t, testKey()))),
		"PKCS#8 called PKCS#1":  strings.ReplaceAll(string(pkcs8PEM(t, testKey())), "PRIVATE", "RSA PRIVATE"),
		"DER in base64 doubled": base64Of(base64Of(string(x509.MarshalPKCS1PrivateKey(testKey())))),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			config := testConfig(t, "http://127.0.0.1:1")
			config.Principal.User.PrivateKeyPEM = []byte(key)

			_, err := oci.NewClient(config)

			g.Expect(err).NotTo(HaveOccurred())
		})
	}
}

func bodyOf(key string) string {
	lines := strings.Split(strings.TrimSpace(key), "\n")
	return strings.Join(lines[1:len(lines)-1], "\n")
}

func TestAPastedKeyThatIsNoneIsRefusedWithTheReason(t *testing.T) {
	key := string(pkcs8PEM(t, testKey()))
	body := bodyOf(key)
	for name, tc := range map[string]struct{ key, reason string }{
		"a public key":            {publicKey, "the private half"},
		"a public SSH key":        {"ssh-rsa " + body[:60] + " me@here", "a public SSH key"},
		"OpenSSH's format":        {"-----BEGIN OPENSSH PRIVATE KEY-----\n" + body + "\n-----END OPENSSH PRIVATE KEY-----\n", "OpenSSH's format"},
		"PuTTY's format":          {"PuTTY-User-Key-File-3: ssh-rsa\n" + body, "PuTTY's format"},
		"a certificate":           {"-----BEGIN CERTIFICATE-----\n" + body + "\n-----END CERTIFICATE-----\n", "a certificate"},
		"no line with END":        {strings.ReplaceAll(key, "-----END PRIVATE KEY-----", ""), "line with END is missing"},
		"no line with BEGIN":      {strings.ReplaceAll(key, "-----BEGIN PRIVATE KEY-----", ""), "line with BEGIN is missing"},
		"a line missing":          {strings.Replace(key, body[:65], "", 1), "a part of it is missing"},
		"a letter of no alphabet": {strings.Replace(key, body[:3], "é!_", 1), "characters that no key has"},
		"the name of a file":      {"~/.oci/oci_api_key.pem\n", "name of a file"},
		"the configuration file":  {"[DEFAULT]\nuser=ocid1.user.oc1..aaaa\nkey_file=~/.oci/key.pem\n", "configuration file"},
		"a fingerprint":           {"12:34:56:78:9a:bc:de:f0:12:34:56:78:9a:bc:de:f0", "not a PEM private key"},
		"a passphrase":            {"hunter2hunter2", "not a PEM private key"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			config := testConfig(t, "http://127.0.0.1:1")
			config.Principal.User.PrivateKeyPEM = []byte(tc.key)

			_, err := oci.NewClient(config)

			g.Expect(cloud.KindOf(err)).To(Equal(cloud.InvalidCredentials), "%v", err)
			g.Expect(err).To(MatchError(ContainSubstring(tc.reason)))
			expectNothingOf(g, err.Error(), key)
		})
	}
}

// expectNothingOf looks for a piece of the key's body in the message.
func expectNothingOf(g *WithT, message, key string) {
	body := strings.Join(strings.Fields(bodyOf(key)), "")
	for i := 0; i+12 <= len(body); i++ {
		g.Expect(message).NotTo(ContainSubstring(body[i : i+12]))
	}
}

func TestPastedNamesAreTakenAsTheyAreMeant(t *testing.T) {
	user := testUser(t)
	file := "[DEFAULT]\nuser=" + user.UserID + "\nfingerprint=" + user.Fingerprint + "\ntenancy=" + user.TenancyID + "\nregion=eu-frankfurt-1\nkey_file=~/k.pem\n"
	for name, mangle := range map[string]func(string) string{
		"space around":        func(v string) string { return "  " + v + " \r\n" },
		"quotes":              func(v string) string { return `"` + v + `"` },
		"a comma after":       func(v string) string { return "'" + v + "'," },
		"a line end inside":   func(v string) string { return v[:20] + "\n" + v[20:] },
		"a space inside":      func(v string) string { return v[:17] + "  " + v[17:] },
		"an escaped line end": func(v string) string { return v + `\n` },
		"a byte order mark":   func(v string) string { return "\ufeff" + v },
		"invisible ones":      func(v string) string { return "\u200b" + v + "\u00a0" },
		"UTF-16":              utf16Of,
		"base64":              base64Of,
		"base64 twice":        func(v string) string { return base64Of(base64Of(v) + "\n") },
		"its name before":     func(v string) string { return "value = " + v },
		"the whole file":      func(string) string { return file },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			config := testConfig(t, "http://127.0.0.1:1")
			for _, field := range []*string{&config.Principal.User.TenancyID, &config.Principal.User.UserID, &config.Principal.User.Fingerprint} {
				*field = mangle(*field)
			}

			client, err := oci.NewClient(config)

			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(client.TenancyID()).To(Equal(user.TenancyID))
		})
	}
}

func TestFingerprintsAreTakenInTheFormsOfTools(t *testing.T) {
	user := testUser(t)
	for name, form := range map[string]string{
		"upper case": strings.ToUpper(user.Fingerprint),
		"spaces":     strings.ReplaceAll(user.Fingerprint, ":", " "),
		"dashes":     strings.ReplaceAll(user.Fingerprint, ":", "-"),
		"digits":     strings.ReplaceAll(user.Fingerprint, ":", ""),
		"openssl's":  "MD5(stdin)= " + strings.ReplaceAll(user.Fingerprint, ":", ""),
		"ssh's":      "MD5:" + user.Fingerprint,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			config := testConfig(t, "http://127.0.0.1:1")
			config.Principal.User.Fingerprint = form

			_, err := oci.NewClient(config)

			g.Expect(err).NotTo(HaveOccurred())
		})
	}
}

func TestNamesThatCannotBeMeantAreRefusedWithTheReason(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*oci.UserPrincipal)
		reason string
	}{
		"swapped":               {func(u *oci.UserPrincipal) { u.TenancyID, u.UserID = u.UserID, u.TenancyID }, "swapped"},
		"a region":              {func(u *oci.UserPrincipal) { u.TenancyID = "eu-frankfurt-1" }, "not the OCID of a tenancy"},
		"a user's name":         {func(u *oci.UserPrincipal) { u.UserID = "me@example.org" }, "not the OCID of a user"},
		"two tenancies":         {func(u *oci.UserPrincipal) { u.TenancyID += "\nocid1.tenancy.oc1..other" }, "not the OCID of a tenancy"},
		"a tenancy cut off":     {func(u *oci.UserPrincipal) { u.TenancyID = "ocid1.tenancy.oc1..aaaaaaaa…x7q2" }, "the tenancy in the Secret is cut off"},
		"a user cut off":        {func(u *oci.UserPrincipal) { u.UserID = "\"ocid1.user.oc1..aaaa...x7q2\"\n" }, "the user in the Secret is cut off"},
		"a SHA-256 fingerprint": {func(u *oci.UserPrincipal) { u.Fingerprint = "SHA256:abcdefghijklmnop" }, "the key's own is"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			config := testConfig(t, "http://127.0.0.1:1")
			tc.change(&config.Principal.User)

			_, err := oci.NewClient(config)

			g.Expect(err).To(MatchError(ContainSubstring(tc.reason)))
		})
	}
}

func TestAPassphraseIsTakenAsItIsOrWithoutWhatItWasPastedWith(t *testing.T) {
	for _, pasted := range []string{passphrase, `"` + passphrase + `"`, passphrase + `\n`, "\ufeff" + passphrase} {
		g := NewWithT(t)
		config := testConfig(t, "http://127.0.0.1:1")
		config.Principal.User.PrivateKeyPEM, config.Principal.User.Passphrase = encryptedKeyPEM(t), pasted

		_, err := oci.NewClient(config)

		g.Expect(err).NotTo(HaveOccurred(), "%q", pasted)
	}
}

// FuzzPastedKey never panics, and never tells a piece of what it was given.
func FuzzPastedKey(f *testing.F) {
	key := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(testKey())}))
	for _, mangle := range manglings {
		f.Add([]byte(mangle(key)), "")
	}
	f.Add([]byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,0011223344556677\n\nAAAA\n-----END RSA PRIVATE KEY-----"), "x")
	f.Fuzz(func(t *testing.T, pasted []byte, passphrase string) {
		config := testConfig(t, "http://127.0.0.1:1")
		config.Principal.User.PrivateKeyPEM, config.Principal.User.Passphrase = pasted, passphrase

		_, err := oci.NewClient(config)

		if err == nil {
			return
		}
		if cloud.KindOf(err) != cloud.InvalidCredentials {
			t.Fatalf("an error of another kind: %v", err)
		}
		for piece := range bytes.FieldsFuncSeq(pasted, func(r rune) bool { return r == '\n' }) {
			if len(piece) >= 24 && strings.Contains(err.Error(), string(piece)) {
				t.Fatal("the message repeats what was pasted")
			}
		}
	})
}
