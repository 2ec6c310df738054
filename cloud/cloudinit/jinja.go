// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"regexp"
	"strings"
)

// jinjaEnds are the ends of what begins with each of Jinja's three openers.
var jinjaEnds = map[string]string{"{{": "}}", "{%": "%}", "{#": "#}"}

const endRaw = "endraw"

// expression is how each of Jinja's begins: a name, a number, a text, a list, a dictionary or a
// sign.
var expression = regexp.MustCompile(`^[-+]?\s*[\pL_0-9"'(\[{+-]`)

// withoutJinja puts a word for each of Jinja's expressions and leaves statements and comments out:
// enough to see the YAML that cloud-init gets to see. Lines keep their numbers. What Jinja itself
// cannot read is an error, as cloud-init then drops all of the data; mostly it is a shell's
// "${#name}", which begins a comment.
func withoutJinja(text string) (plain string, statements bool, err error) {
	var out strings.Builder
	for line := 2; ; {
		at, opener := nextOpener(text)
		if at < 0 {
			out.WriteString(text)
			return out.String(), statements, nil
		}
		out.WriteString(text[:at])
		line += strings.Count(text[:at], "\n")
		length := jinjaLength(text[at+2:], opener)
		if length < 0 {
			return "", statements, invalid("Bootstrap", "line %d of the cloud-config holds %q, which Jinja takes for a beginning and finds no %q for: "+
				"put what it is in between {%% raw %%} and {%% endraw %%} in the bootstrap config", line, opener, jinjaEnds[opener])
		}
		inside := text[at+2 : at+2+length]
		text = text[at+2+length+2:]
		switch {
		case opener == "{{" && !expression.MatchString(inside):
			return "", statements, invalid("Bootstrap", "line %d of the cloud-config holds {{ with no expression of Jinja's in it, such as a template of Go's: "+
				"put what it is in between {%% raw %%} and {%% endraw %%} in the bootstrap config", line)
		case opener == "{{":
			out.WriteString("jinja")
		case opener == "{%" && statement(inside) == "raw":
			end, after := rawEnd(text)
			if end < 0 {
				return "", statements, invalid("Bootstrap", "line %d of the cloud-config holds Jinja's {%% raw %%} and no {%% endraw %%} after it", line)
			}
			out.WriteString(text[:end])
			inside += text[:end]
			text = text[after:]
		case opener == "{%":
			statements = true
			out.WriteString(strings.Repeat("\n", strings.Count(inside, "\n")))
		default:
			out.WriteString(strings.Repeat("\n", strings.Count(inside, "\n")))
		}
		line += strings.Count(inside, "\n")
	}
}

func nextOpener(text string) (at int, opener string) {
	for at := 0; at+1 < len(text); at++ {
		if _, is := jinjaEnds[text[at:at+2]]; is {
			return at, text[at : at+2]
		}
	}
	return -1, ""
}

// jinjaLength is the length of what stands before the end. An end in quotes is none, nor is one
// inside of brackets.
func jinjaLength(text, opener string) int {
	end := jinjaEnds[opener]
	if opener == "{#" {
		return strings.Index(text, end)
	}
	var quote byte
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case depth == 0 && strings.HasPrefix(text[i:], end):
			return i
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0:
			depth--
		}
	}
	return -1
}

// statement is the first word of a statement.
func statement(inside string) string {
	words := strings.Fields(strings.Trim(inside, "+-"))
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

// rawEnd is where the statement that ends a raw block begins, and where it ends.
func rawEnd(text string) (begin, after int) {
	for from := 0; ; {
		at := strings.Index(text[from:], "{%")
		if at < 0 {
			return -1, -1
		}
		at += from
		length := strings.Index(text[at:], "%}")
		if length < 0 {
			return -1, -1
		}
		if statement(text[at+2:at+length]) == endRaw {
			return at, at + length + 2
		}
		from = at + 2
	}
}
