// The program `hookline`: what it can do is in cli.cc, how it serves in serve.cc.
#include <cstdio>

#include "server/cli.h"

int main(int argc, char** argv) { return hookline::cli::run(argc, argv, {stdout, stderr}); }
