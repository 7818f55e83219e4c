#include <eddy/core/error.h>

int main() { return eddy::Error(eddy::Errc::kClosed, "x").message() == "x: closed" ? 0 : 1; }
