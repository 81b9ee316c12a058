//go:build ignore

// Writes which keys each component's settings have and of what kind their values are, from the Go
// types that the settings are read into. `mlobs collector keys` puts it in the place of the main
// file that the builder makes from builder.yaml, runs it, and keeps what it prints as keys.json.
//
// A map is a map of these keys, or of any where its key is "*"; a list holds the kind of its items;
// the rest are "bool", "integer", "number", "duration", "text", and "any" for what a component reads
// in a way of its own.
package main

import (
	"encoding"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

var (
	duration = reflect.TypeFor[time.Duration]()
	texts    = reflect.TypeFor[encoding.TextUnmarshaler]()
	reads    = reflect.TypeFor[confmap.Unmarshaler]()
)

type factory interface {
	Type() component.Type
	CreateDefaultConfig() component.Config
}

func main() {
	made, err := components()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	told, err := json.MarshalIndent(map[string]any{
		"receivers":  section(made.Receivers),
		"processors": section(made.Processors),
		"connectors": section(made.Connectors),
		"exporters":  section(made.Exporters),
		"extensions": section(made.Extensions),
		"service": map[string]any{
			"telemetry": kind(reflect.TypeOf(otelconftelemetry.NewFactory().CreateDefaultConfig()), nil),
		},
	}, "", " ")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(string(told))
}

// section leaves former names of components out: they have the same settings.
func section[F factory](factories map[component.Type]F) map[string]any {
	found := map[string]any{}
	for name, made := range factories {
		if made.Type() == name {
			found[name.String()] = kind(reflect.TypeOf(made.CreateDefaultConfig()), nil)
		}
	}
	return found
}

func kind(t reflect.Type, above []reflect.Type) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if slices.Contains(above, t) { // A policy within a policy of the same type.
		return "any"
	}
	above = append(slices.Clone(above), t)
	if inner, optional := within(t); optional {
		found := kind(inner, above)
		if keys, ok := found.(map[string]any); ok {
			keys["enabled"] = "bool"
		}
		return found
	}
	switch {
	case t == duration:
		return "duration"
	case t.Implements(texts) || reflect.PointerTo(t).Implements(texts):
		return "text"
	}
	switch t.Kind() {
	case reflect.Struct:
		keys := map[string]any{}
		if !fields(t, above, keys) {
			return "any"
		}
		return keys
	case reflect.Map:
		return map[string]any{"*": kind(t.Elem(), above)}
	case reflect.Slice, reflect.Array:
		if reflect.PointerTo(t).Implements(reads) { // Takes a map as well.
			return "any"
		}
		return []any{kind(t.Elem(), above)}
	case reflect.Bool:
		return "bool"
	case reflect.String:
		return "text"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Interface:
		return "any"
	}
	return "integer"
}

// fields adds the keys of a struct; false where it is not read by them.
func fields(t reflect.Type, above []reflect.Type, keys map[string]any) bool {
	for field := range t.Fields() {
		tag, told := field.Tag.Lookup("mapstructure")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case name == "-" || (!field.IsExported() && !field.Anonymous):
		case strings.Contains(options, "remain"):
			keys["*"] = "any"
		case strings.Contains(options, "squash"):
			inner := field.Type
			for inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if optional, ok := within(inner); ok {
				inner = optional
			}
			if !fields(inner, above, keys) {
				return false
			}
		case !told || name == "":
			return false
		default:
			keys[name] = kind(field.Type, above)
		}
	}
	return true
}

// within returns the type that configoptional.Optional holds.
func within(t reflect.Type) (reflect.Type, bool) {
	if t.Kind() == reflect.Struct && strings.HasPrefix(t.Name(), "Optional[") {
		held, found := t.FieldByName("value")
		return held.Type, found
	}
	return nil, false
}
