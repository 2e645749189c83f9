package check

import (
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
)

// configurations checks the sets of devices that a model may run on.
func (c *checker) configurations(list []*pb.DeviceConfigurationProto, at *rule.Place) {
	c.devices = make(map[string]bool, len(list))
	for _, d := range list {
		in := at.In("device configuration", d.GetName())
		switch count := len(d.Device); {
		case d.GetName() == "":
			c.Report(in, "device-configuration", "the configuration has no name")
		case c.devices[d.GetName()]:
			c.Report(in, "device-configuration", "two configurations have this name")
		case d.GetNumDevices() < 1:
			c.Report(in, "device-configuration", "the configuration has %d devices, want 1 or more", d.GetNumDevices())
		case count > 0 && count != int(d.GetNumDevices()):
			c.Report(in, "device-configuration", "%d names for %d devices", count, d.GetNumDevices())
		}
		c.devices[d.GetName()] = true
	}
}

// placement checks where a node says that it runs, and how its values are split.
// The axes are compared with shapes by inference.
func (c *checker) placement(n *pb.NodeProto, at *rule.Place) {
	for _, d := range n.DeviceConfigurations {
		if !c.devices[d.GetConfigurationId()] {
			c.Report(at, "device-configuration", "the node is placed by configuration %s, which the model does not have", onnx.Quote(d.GetConfigurationId()))
		}
		for _, s := range d.ShardingSpec {
			name := s.GetTensorName()
			if name == "" || !slices.Contains(n.Input, name) && !slices.Contains(n.Output, name) {
				c.Report(at, "device-configuration", "the node shards %s, which is none of its inputs and outputs", onnx.Quote(name))
			}
			for _, dim := range s.ShardedDim {
				for _, simple := range dim.SimpleSharding {
					if simple.GetNumShards() < 1 {
						c.Report(at, "device-configuration", "axis %d of %s is split into %d shards, want 1 or more", dim.GetAxis(), onnx.Quote(name), simple.GetNumShards())
					}
				}
			}
		}
	}
}
