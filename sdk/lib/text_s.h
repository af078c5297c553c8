/* Included by text_a.c and text_w.c: the bounded copies and prints for char and for WCHAR.
 * UNIT, WIDE, LENGTH, BOUNDED_LENGTH, COPY, NAME_* and CCH(name) are theirs. */

int NAME_CPY_S(UNIT* target, size_t size, const UNIT* text) {
  if (target == NULL || size == 0) {
    return EINVAL;
  }
  size_t length = text != NULL ? LENGTH(text) : 0;
  if (text == NULL || length >= size) {
    target[0] = 0;
    return text == NULL ? EINVAL : ERANGE;
  }
  COPY(target, text, length + 1);
  return 0;
}

int NAME_CAT_S(UNIT* target, size_t size, const UNIT* text) {
  size_t used = target != NULL ? BOUNDED_LENGTH(target, size) : size;
  if (used == size) {
    return EINVAL;
  }
  int error = NAME_CPY_S(target + used, size - used, text);
  if (error != 0) {
    target[0] = 0;
  }
  return error;
}

int NAME_VSNPRINTF(UNIT* target, size_t size, const UNIT* format, va_list arguments) {
  size_t length = hookline_format(WIDE, target, size, format, arguments);
  if (length < size) {
    target[length] = 0;
  }
  return length <= size ? (int)length : -1;
}

int NAME_SNPRINTF(UNIT* target, size_t size, const UNIT* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = NAME_VSNPRINTF(target, size, format, arguments);
  va_end(arguments);
  return length;
}

static int print_s(UNIT* target, size_t size, const UNIT* format, va_list arguments) {
  if (target == NULL || size == 0) {
    return -1;
  }
  size_t length = hookline_format(WIDE, target, size, format, arguments);
  if (length >= size) {
    target[0] = 0;
    return -1;
  }
  target[length] = 0;
  return (int)length;
}

int NAME_PRINTF_S(UNIT* target, size_t size, const UNIT* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = print_s(target, size, format, arguments);
  va_end(arguments);
  return length;
}

int WINAPIV NAME_WSPRINTF(UNIT* target, const UNIT* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  size_t length = hookline_format(WIDE, target, 1024, format, arguments);
  va_end(arguments);
  length = length < 1023 ? length : 1023;
  target[length] = 0;
  return (int)length;
}

HRESULT CCH(Copy)(UNIT* target, size_t size, const UNIT* text) {
  if (target == NULL || size == 0 || size > STRSAFE_MAX_CCH) {
    return STRSAFE_E_INVALID_PARAMETER;
  }
  size_t length = LENGTH(text);
  size_t kept = length < size ? length : size - 1;
  COPY(target, text, kept);
  target[kept] = 0;
  return kept == length ? S_OK : STRSAFE_E_INSUFFICIENT_BUFFER;
}

HRESULT CCH(Cat)(UNIT* target, size_t size, const UNIT* text) {
  size_t used = target != NULL ? BOUNDED_LENGTH(target, size) : size;
  return used == size ? STRSAFE_E_INVALID_PARAMETER : CCH(Copy)(target + used, size - used, text);
}

HRESULT CCH(Length)(const UNIT* text, size_t size, size_t* length) {
  size_t found = text != NULL ? BOUNDED_LENGTH(text, size) : size;
  if (length != NULL) {
    *length = found == size ? 0 : found;
  }
  return found == size ? STRSAFE_E_INVALID_PARAMETER : S_OK;
}

HRESULT CCH(VPrintf)(UNIT* target, size_t size, const UNIT* format, va_list arguments) {
  if (target == NULL || size == 0 || size > STRSAFE_MAX_CCH) {
    return STRSAFE_E_INVALID_PARAMETER;
  }
  size_t length = hookline_format(WIDE, target, size, format, arguments);
  target[length < size ? length : size - 1] = 0;
  return length < size ? S_OK : STRSAFE_E_INSUFFICIENT_BUFFER;
}

HRESULT CCH(Printf)(UNIT* target, size_t size, const UNIT* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  HRESULT result = CCH(VPrintf)(target, size, format, arguments);
  va_end(arguments);
  return result;
}
