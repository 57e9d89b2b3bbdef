// The service of Milo's example.
namespace py helloworld

service HelloWorld {
  string ping(1: string name)
}
