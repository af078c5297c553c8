"""Structured exception handling, as far as it can be honest without an operating system for it.

`__finally` runs whenever its `__try` is left: in C++ by a guard whose block stands before the body,
in C by a copy of the block before every `return`. What cannot be mapped is refused with its line.
`__except` catches what the processor raises; here nothing does (a fault in a callout is the
server's affair), so its block is compiled and never runs, and a warning says so.
"""

import re

from .fault import Fault, warn

COMMENT_OR_TEXT = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def needs_rewriting(text):
    return re.search(r"\b__try\b", blank(text)) is not None


def blank(text):
    """The text with comments and literals as spaces; every character keeps its place."""
    return COMMENT_OR_TEXT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


class Source:
    def __init__(self, text, name, is_cpp):
        self.text, self.name, self.is_cpp = text, name, is_cpp
        self.number = 0

    def line(self, at):
        """The line of the original: generated #line marks say it."""
        before = self.text[:at]
        mark = None
        for mark in re.finditer(r'^#line (\d+) ".*"$', before, re.M):
            pass
        if mark is None:
            return before.count("\n") + 1
        return int(mark[1]) + before[mark.end():].count("\n") - 1

    def fault(self, at, text):
        return Fault(f"{self.name}:{self.line(at)}: {text}")

    def marked(self, start, end, text=None):
        """A piece of the source, preceded by its line number."""
        piece = self.text[start:end] if text is None else text
        return f'\n#line {self.line(start)} "{self.name}"\n{piece}'


def closing(blanked, opening):
    """Where the bracket at `opening` is closed."""
    pairs = {"{": "}", "(": ")"}
    depth = 0
    for at in range(opening, len(blanked)):
        if blanked[at] == blanked[opening]:
            depth += 1
        elif blanked[at] == pairs[blanked[opening]]:
            depth -= 1
            if depth == 0:
                return at
    return None


def block(source, blanked, at, bracket, what):
    """(start, end) of the bracketed piece that follows `at`, brackets included."""
    match = re.compile(r"\s*").match(blanked, at)
    start = match.end()
    end = closing(blanked, start) if blanked[start:start + 1] == bracket else None
    if end is None:
        raise source.fault(at, f"{what} is not followed by a whole {bracket} … block")
    return start, end + 1


def rewrite(text, name, is_cpp):
    """The source without __try, __finally, __except and __leave."""
    source = Source(text, name, is_cpp)
    while True:
        blanked = blank(source.text)
        tries = list(re.finditer(r"\b__try\b", blanked))
        if not tries:
            return f'#line 1 "{name}"\n{source.text}' if source.number else source.text
        # The last one contains no other.
        rewrite_one(source, blanked, tries[-1])


def rewrite_one(source, blanked, keyword):
    source.number += 1
    body = block(source, blanked, keyword.end(), "{", "__try")
    handler = re.compile(r"\s*\b(__finally|__except)\b").match(blanked, body[1])
    if handler is None:
        raise source.fault(keyword.start(), "__try without __finally or __except")
    at = handler.end()
    if handler[1] == "__except":
        at = block(source, blanked, at, "(", "__except")[1]
        warn(f"{source.name}:{source.line(handler.start(1))}: the block of __except never runs: "
             "no fault is raised as an exception here")
    last = block(source, blanked, at, "{", handler[1])
    inner = leave(source, source.text[body[0]:body[1]])
    if handler[1] == "__except":
        done = (f"{{{source.marked(*body, inner[0])}{inner[1]} if (0) "
                f"{source.marked(*last)}}}")
    elif source.is_cpp:
        done = (f"{{ auto hookline_finally_{source.number} = hookline::at_exit_of_scope([&]()"
                f"{source.marked(*last)});{source.marked(*body, inner[0])}{inner[1]}}}")
    else:
        done = finally_in_c(source, blanked, body, last, inner)
    after = f'\n#line {source.line(last[1])} "{source.name}"\n'
    source.text = source.text[:keyword.start()] + done + after + source.text[last[1]:]


def leave(source, body):
    """The body with __leave as a goto, and the label for it."""
    blanked, parts, last = blank(body), [], 0
    for match in re.finditer(r"\b__leave\b", blanked):
        parts += [body[last:match.start()], f"goto hookline_leave_{source.number}"]
        last = match.end()
    label = f" hookline_leave_{source.number}:;" if parts else ""
    return "".join(parts) + body[last:], label


def finally_in_c(source, blanked, body, last, inner):
    check_jumps(source, blanked, body)
    final = source.marked(*last)
    text, parts, done = inner[0], [], 0
    hidden = blank(text)
    for match in re.finditer(r"\breturn\b([^;]*);", hidden):
        value = text[match.start(1):match.end(1)].strip()
        if not value or re.fullmatch(r"-?\d\w*|[A-Z_][A-Z0-9_]*", value):
            new = f"{{{final} return {value}; }}"
        else:
            kept = f"hookline_result_{source.number}"
            new = f"{{ __auto_type {kept} = ({value});{final} return {kept}; }}"
        parts += [text[done:match.start()], new, '\n']
        done = match.end()
    whole = "".join(parts) + text[done:]
    return f"{{{source.marked(*body, whole)}{inner[1]}{final}}}"


def check_jumps(source, blanked, body):
    """Refuses, in C, the jumps out of a __try that no copy of the block can follow."""
    piece = blanked[body[0]:body[1]]
    loops = []
    for match in re.finditer(r"\b(for|while|switch)\s*\(|\bdo\b", piece):
        at = match.end()
        if match[1]:
            at = (closing(piece, match.end() - 1) or at) + 1
        opening = re.compile(r"\s*\{").match(piece, at)
        if opening:
            loops.append((at, closing(piece, opening.end() - 1) or at))
    for match in re.finditer(r"\b(goto|break|continue)\b(\s+hookline_leave_)?", piece):
        inside = any(start < match.start() < end for start, end in loops)
        if match[2] is None and (match[1] == "goto" or not inside):
            raise source.fault(body[0] + match.start(),
                               f"{match[1]} out of a __try with __finally cannot be mapped in C; "
                               "use __leave or return, or compile the source as C++")
