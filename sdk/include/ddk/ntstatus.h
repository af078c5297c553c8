#pragma once

#include <hookline/ntstatus.h>
