namespace py shop

exception SoldOut {
  1: string item
}

struct Line {
  1: string item,
  2: i32 count,
}

service Base {
  string ping(1: string name)
}

service Shop extends Base {
  i32 buy(1: list<Line> lines, 2: bool hurry) throws (1: SoldOut sold_out),
  void fail(1: string how),
  oneway void note(1: string text),
}
