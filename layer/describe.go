package layer

import (
	"fmt"
	"reflect"
	"strings"
)

// Describe writes a layer with its hyper-parameters, as in "Dense(Out: 128)". Fields with their zero value, and
// initialisers, are left out.
func Describe(l Layer) string {
	v := reflect.ValueOf(l)
	var set []string
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || f.Type.Kind() == reflect.Func || v.Field(i).IsZero() {
			continue
		}
		set = append(set, fmt.Sprintf("%s: %v", f.Name, v.Field(i).Interface()))
	}
	if set == nil {
		return v.Type().Name()
	}
	return v.Type().Name() + "(" + strings.Join(set, ", ") + ")"
}
