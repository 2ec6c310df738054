// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"
)

// decode fills target from JSON as strictly as OCI does: field names must match
// in case, unknown ones are refused (CannotParseRequest), fields tagged
// oci:"required" must be there (MissingParameter), strings tagged enum:"A|B"
// must be one of these (InvalidParameter), freeform tags must be few and short. Null counts as
// absent.
func decode(raw []byte, target any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return model.ErrCannotParse("Incorrectly formatted request. The body is not valid JSON.")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return model.ErrCannotParse("Incorrectly formatted request. The body continues after its JSON.")
	}
	if err := check("", reflect.TypeOf(target).Elem(), value); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, target); err != nil {
		// The decoder's own message may quote values, and these may be secret.
		return model.ErrCannotParse("Incorrectly formatted request. A value is out of range.")
	}
	return nil
}

func check(path string, kind reflect.Type, value any) error {
	if value == nil {
		return nil
	}
	switch kind.Kind() {
	case reflect.Pointer:
		return check(path, kind.Elem(), value)
	case reflect.Struct:
		return checkStruct(path, kind, value)
	case reflect.Slice:
		items, ok := value.([]any)
		if !ok {
			return mistyped(path, "an array")
		}
		for _, item := range items {
			if err := check(path, kind.Elem(), item); err != nil {
				return err
			}
		}
	case reflect.Map:
		entries, ok := value.(map[string]any)
		if !ok {
			return mistyped(path, "an object")
		}
		for key, entry := range entries {
			if err := check(join(path, key), kind.Elem(), entry); err != nil {
				return err
			}
		}
	default:
		return checkScalar(path, kind.Kind(), value)
	}
	return nil
}

func checkScalar(path string, kind reflect.Kind, value any) error {
	switch kind {
	case reflect.String:
		if _, ok := value.(string); !ok {
			return mistyped(path, "a string")
		}
	case reflect.Bool:
		if _, ok := value.(bool); !ok {
			return mistyped(path, "a boolean")
		}
	case reflect.Int, reflect.Int64, reflect.Float64:
		if _, ok := value.(json.Number); !ok {
			return mistyped(path, "a number")
		}
	}
	return nil
}

func checkStruct(path string, kind reflect.Type, value any) error {
	object, ok := value.(map[string]any)
	if !ok {
		return mistyped(path, "an object")
	}
	fields := map[string]reflect.StructField{}
	collect(kind, fields)
	for key, entry := range object {
		field, known := fields[key]
		if !known {
			return model.ErrCannotParse("Incorrectly formatted request. Unrecognized field: %s", join(path, key))
		}
		if err := check(join(path, key), field.Type, entry); err != nil {
			return err
		}
		if key == "freeformTags" {
			if err := checkTags(entry); err != nil {
				return err
			}
		}
	}
	for name, field := range fields {
		entry := object[name]
		if field.Tag.Get("oci") == "required" && (entry == nil || entry == "") {
			return model.ErrMissing(join(path, name))
		}
		if allowed := field.Tag.Get("enum"); allowed != "" && entry != nil && entry != "" {
			if !slices.Contains(strings.Split(allowed, "|"), entry.(string)) {
				return model.ErrInvalid("%s has the invalid value '%s'. Allowed values are: %s", join(path, name), entry, strings.ReplaceAll(allowed, "|", ", "))
			}
		}
	}
	return nil
}

// checkTags checks freeform tags, which are an object of strings by now.
func checkTags(value any) error {
	entries, _ := value.(map[string]any)
	tags := make(map[string]string, len(entries))
	for key, entry := range entries {
		tags[key], _ = entry.(string)
	}
	return model.CheckTags(tags)
}

// collect maps a struct's JSON names to its fields, those of embedded structs included.
func collect(kind reflect.Type, fields map[string]reflect.StructField) {
	for i := range kind.NumField() {
		field := kind.Field(i)
		if field.Anonymous {
			collect(field.Type, fields)
			continue
		}
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			fields[name] = field
		}
	}
}

func mistyped(path, wanted string) error {
	return model.ErrCannotParse("Incorrectly formatted request. %s must be %s", path, wanted)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
