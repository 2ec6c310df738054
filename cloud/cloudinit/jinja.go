// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// jinjaEnds are the ends of what begins with each of Jinja's three openers.
var jinjaEnds = map[string]string{"{{": "}}", "{%": "%}", "{#": "#}"}

const endRaw = "endraw"

// expression is how each of Jinja's begins: a name, a number, a text, a list, a dictionary or a
// sign.
var expression = regexp.MustCompile(`^[-+]?\s*[\pL_0-9"'(\[{+-]`)

// token is one of an expression's: a text, a number, a name or operator, or a sign. Signs
// that Jinja has no token for come as they are.
var token = regexp.MustCompile(`(?s)'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[0-9][\pL\pN_]*(?:\.[0-9][\pL\pN_]*)?|(?:not\s+in|is\s+not)\b|[\pL_][\pL\pN_]*|\S`)

// operators are names that stand between two operands.
var operators = regexp.MustCompile(`^(?:and|or|in|is|if|else|not\s+in|is\s+not)$`)

// isExpression tells whether Jinja can read the text as an expression, as far as it tells Jinja's
// from others': an operand follows no other without an operator, and a dot is followed by a name
// or a number. Go's templates have both: "printf "%s" .A", "json .".
func isExpression(text string) bool {
	if !expression.MatchString(text) {
		return false
	}
	text = strings.TrimRight(strings.TrimPrefix(text, "-"), "+-")
	const (
		wanted   = iota // An operand has to come.
		complete        // An operand has ended.
		optional        // So has the name of a test, behind "is", which may have an operand.
	)
	state, last, dot := wanted, "", false
	for _, t := range token.FindAllString(text, -1) {
		first, _ := utf8.DecodeRuneInString(t)
		isName, isNumber, isText := first == '_' || unicode.IsLetter(first), unicode.IsDigit(first), isQuoted(t)
		switch {
		case len(t) == 1 && strings.ContainsAny(t, "$?@&^\\`"):
			return false
		case dot:
			if !isName && !isNumber {
				return false
			}
			dot = false
		case t == ".":
			if dot = state != wanted; !dot {
				return false
			}
		case state != wanted && operators.MatchString(t), state == wanted && t == "not":
			state = wanted
		case isName || isText || isNumber:
			// Texts in a row are one.
			if state == complete && (!isText || !isQuoted(last)) {
				return false
			}
			state = complete
			if isName && strings.HasPrefix(last, "is") && operators.MatchString(last) {
				state = optional
			}
		case len(t) == 1 && strings.ContainsAny(t, ")]}"):
			state = complete
		default:
			state = wanted
		}
		last = t
	}
	return !dot
}

func isQuoted(text string) bool { return strings.HasPrefix(text, `"`) || strings.HasPrefix(text, "'") }

const inRaw = "put what it is in between {% raw %} and {% endraw %} in the bootstrap config, and a line end after that"

// plainText collects what is left of a text. Line ends that Jinja takes away are made up for at the
// next one, so that the lines behind it keep their numbers.
type plainText struct {
	strings.Builder
	owed int
}

func (p *plainText) data(text string) {
	before, after, found := strings.Cut(text, "\n")
	p.WriteString(before)
	if found {
		p.WriteString(strings.Repeat("\n", 1+p.owed) + after)
		p.owed = 0
	}
}

func (p *plainText) owe(text string) { p.owed += strings.Count(text, "\n") }

// jinjaWord stands for an expression of Jinja's.
const jinjaWord = "jinja"

// withoutJinja puts a word for each of Jinja's expressions and leaves statements and comments out,
// with the line ends and spaces that cloud-init's Jinja takes away with them: enough to see the
// YAML that cloud-init gets to see. What Jinja itself cannot read is an error, as cloud-init then
// drops all of the data; mostly it is a shell's "${#name}", which begins a comment.
func withoutJinja(text string) (plain string, statements bool, err error) {
	var out plainText
	text = strings.ReplaceAll(text, "\r\n", "\n")
	for line := 2; ; {
		at, opener := nextOpener(text)
		if at < 0 {
			out.data(text)
			return out.String(), statements, nil
		}
		line += strings.Count(text[:at], "\n")
		length := jinjaLength(text[at+2:], opener)
		if length < 0 {
			return "", statements, invalid("Bootstrap", "line %d of the cloud-config holds %q, which Jinja takes for a beginning and finds no %q for: %s",
				line, opener, jinjaEnds[opener], inRaw)
		}
		inside := text[at+2 : at+2+length]
		out.before(text[:at], inside)
		line += strings.Count(inside, "\n")
		text = text[at+2+length+2:]
		taken := takenAfter(inside, text, opener != "{{")
		switch {
		case opener == "{{" && !isExpression(inside):
			return "", statements, invalid("Bootstrap", "line %d of the cloud-config holds {{ with no expression of Jinja's in it, such as a template of Go's: %s",
				line-strings.Count(inside, "\n"), inRaw)
		case opener == "{{":
			out.data(jinjaWord)
			out.owe(inside)
		case opener == "{%" && statement(inside) == "raw":
			end, closing, after := rawEnd(text)
			if end < 0 {
				return "", statements, invalid("Bootstrap", "line %d of the cloud-config holds Jinja's {%% raw %%} and no {%% endraw %%} after it", line)
			}
			out.owe(inside)
			// Unlike other statements, this one leaves the line end after it.
			held := text[:end]
			lead := takenAfter(inside, held, false)
			out.owe(held[:lead])
			out.before(held[lead:], closing)
			out.owe(closing)
			line += strings.Count(text[:after], "\n")
			text = text[after:]
			taken = takenAfter(closing, text, true)
		default:
			statements = statements || opener == "{%"
			out.owe(inside)
		}
		out.owe(text[:taken])
		line += strings.Count(text[:taken], "\n")
		text = text[taken:]
	}
}

// before adds the text in front of a tag, without the spaces that a hyphen at its beginning takes.
func (p *plainText) before(text, inside string) {
	kept := text
	if strings.HasPrefix(inside, "-") {
		kept = strings.TrimRight(text, " \t\n")
	}
	p.data(kept)
	p.owe(text[len(kept):])
}

// takenAfter is how much of the text Jinja takes away behind a tag: all spaces after a hyphen, else
// one line end if the tag is a block or a comment, as cloud-init sets trim_blocks
// (cloudinit/templater.py; jinja2/lexer.py), but not after a plus sign.
func takenAfter(inside, text string, block bool) int {
	switch {
	case strings.HasSuffix(inside, "-"):
		return len(text) - len(strings.TrimLeft(text, " \t\n"))
	case block && !strings.HasSuffix(inside, "+") && strings.HasPrefix(text, "\n"):
		return 1
	}
	return 0
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

// rawEnd is where the statement that ends a raw block begins, what is inside of it, and where it
// ends.
func rawEnd(text string) (begin int, inside string, after int) {
	for from := 0; ; {
		at := strings.Index(text[from:], "{%")
		if at < 0 {
			return -1, "", -1
		}
		at += from
		length := strings.Index(text[at:], "%}")
		if length < 0 {
			return -1, "", -1
		}
		if inside := text[at+2 : at+length]; statement(inside) == endRaw {
			return at, inside, at + length + 2
		}
		from = at + 2
	}
}
