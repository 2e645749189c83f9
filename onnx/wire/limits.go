package wire

// Limits bound what a reader accepts. A zero field means its default.
type Limits struct {
	Size  int64 // bytes of the file; default 2 GiB, the most that protobuf allows
	Depth int   // messages inside each other; default 100, as in protobuf's C++ readers
	Name  int   // bytes of one name; doc strings and metadata values are free; default 16384
	Rank  int   // axes of a tensor or a shape; default 32
	Items int   // entries of one list of messages or strings; default 2^20
	// Memory is what the decoded message may take, in bytes, beside the file
	// itself and tensors' elements of fixed width. Small fields grow most when
	// decoded: an empty node takes 2 bytes in the file. Default 112 MiB.
	Memory int64
	// Elements is what the elements in other files may take together, in bytes;
	// default 16 GiB.
	Elements int64
}

func (l Limits) withDefaults() Limits {
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	if l.Size == 0 {
		l.Size = 2 << 30
	}
	set(&l.Depth, 100)
	set(&l.Name, 16<<10)
	set(&l.Rank, 32)
	set(&l.Items, 1<<20)
	if l.Memory == 0 {
		l.Memory = 112 << 20
	}
	if l.Elements == 0 {
		l.Elements = 16 << 30
	}
	return l
}
