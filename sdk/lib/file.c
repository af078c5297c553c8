/* Files by wide names. */

#include <stdio.h>
#include <stdlib.h>

#include "core.h"

FILE* _wfopen(const WCHAR* path, const WCHAR* mode) {
  char* narrow_path = hookline_narrow(path);
  char* narrow_mode = hookline_narrow(mode);
  FILE* file = NULL;
  if (narrow_path != NULL && narrow_mode != NULL) {
    file = fopen(narrow_path, narrow_mode);
  }
  free(narrow_path);
  free(narrow_mode);
  return file;
}
