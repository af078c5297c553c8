#pragma once

/* The kernel's services for drivers, as far as packet callouts use them, each with a working body
 * in sdk/lib/ddk/. What is not here does not compile, by its name. sdk/README.md lists what there
 * is. */

#include <guiddef.h>
#include <hookline/ddk/base.h>
#include <hookline/ddk/ex.h>
#include <hookline/ddk/io.h>
#include <hookline/ddk/ke.h>
#include <hookline/ddk/rtl.h>
