// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package fields walks the fields of a struct, for tests which find that one was forgotten.
package fields

import (
	"reflect"
	"strings"
)

// Leaves are the paths of all fields: down to those that are neither structs nor pointers to them
// nor lists of them, or that are listed.
func Leaves(of reflect.Type, listed map[string]string) []string { return leaves(of, "", listed) }

func leaves(of reflect.Type, path string, listed map[string]string) []string {
	if (of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer) && of.Elem().Kind() == reflect.Struct {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct || listed[path] != "" {
		return []string{path}
	}
	var all []string
	for field := range of.Fields() {
		all = append(all, leaves(field.Type, strings.TrimPrefix(path+"."+field.Name, "."), listed)...)
	}
	return all
}

// At is the value at a path, of the first element of each list on it. An empty list gets one, and a
// pointer to nothing something.
func At(value reflect.Value, path string) reflect.Value {
	for name := range strings.SplitSeq(path, ".") {
		switch value.Kind() {
		case reflect.Slice:
			if value.Len() == 0 {
				value.Set(reflect.MakeSlice(value.Type(), 1, 1))
			}
			value = value.Index(0)
		case reflect.Pointer:
			if value.IsNil() {
				value.Set(reflect.New(value.Type().Elem()))
			}
			value = value.Elem()
		}
		value = value.FieldByName(name)
	}
	return value
}

// Fill sets a value, and everything in it, to something other than zero.
func Fill(value reflect.Value) {
	switch value.Kind() {
	case reflect.String:
		value.SetString("text")
	case reflect.Bool:
		value.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		value.SetInt(7)
	case reflect.Uint8:
		value.SetUint('a')
	case reflect.Float64:
		value.SetFloat(7)
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		Fill(value.Elem())
	case reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), 1, 1))
		Fill(value.Index(0))
	case reflect.Map:
		value.Set(reflect.MakeMap(value.Type()))
		key, element := reflect.New(value.Type().Key()).Elem(), reflect.New(value.Type().Elem()).Elem()
		Fill(key)
		Fill(element)
		value.SetMapIndex(key, element)
	case reflect.Struct:
		for i := range value.NumField() {
			Fill(value.Field(i))
		}
	default:
		panic("a field of kind " + value.Kind().String() + " is not known here")
	}
}
