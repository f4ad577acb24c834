#!/usr/bin/env python3
"""Makes typed programs that are right, and the same with one mistake in them.

    right.py [COUNT [SEED]] | build/tests/types/run_checks

Each expression is made for the type that its place wants, from what is in scope there
and what conditions have found out of it. A mistake is one expression of another type, in
a place that everybody can judge: then the line of its statement must have an error.
"""

import random
import struct
import sys

NUMBER, STRING, BOOLEAN, INTEGER = "number", "string", "boolean", "integer"
PLAIN = [NUMBER, STRING, BOOLEAN, INTEGER]
DECLARED = """\
type Point = {x: number, y: number, tag: string?}
type Level = "low" | "high"
type Tree = {value: number, left: Tree?, right: Tree?}
"""
NAMED = {"Point": "{x = %(number)s, y = %(number)s}",
         "Tree": "{value = %(number)s, left = {value = %(number)s}}",
         "Level": '"high"'}
OTHER = {NUMBER: ['"text"', "{}", "true", "nil", "function() end"],
         INTEGER: ['"text"', "{}", "false", "nil", "1.5"],
         STRING: ["5", "{}", "true", "nil", "{1}"],
         BOOLEAN: ['"text"', "1", "{}", "nil"],
         "Point": ['"text"', "1", "{x = 1}", '{x = 1, y = "a"}', "nil"],
         "Tree": ["{}", "5", '{value = "x"}', "{value = 1, left = {}}"],
         "Level": ['"middle"', "5", "nil", "{}"]}


def optional(name):
    return name + "?"


class Variable:
    def __init__(self, name, declared, now=None):
        self.name = name
        self.declared = declared          # "number", "number?", "{number}", ...
        self.now = now or declared        # what conditions have left of it


class Generator:
    def __init__(self, seed, with_mistake):
        self.random = random.Random(seed)
        self.lines = []
        self.mistake = None               # the line that has it
        self.wanted = with_mistake
        self.n = 0
        self.functions = []               # (name, parameters, result)
        self.scope = []
        self.depth = 0

    def chance(self, percent):
        return self.random.randrange(100) < percent

    def pick(self, items):
        return items[self.random.randrange(len(items))]

    def name(self):
        self.n += 1
        return f"v{self.n}"

    def emit(self, text):
        self.lines.append("    " * self.depth + text)

    # ---- types and values

    def type(self):
        plain = self.pick(PLAIN + list(NAMED))
        form = self.random.randrange(10)
        if form < 4:
            return plain
        if form < 7:
            return optional(plain)
        if form == 7:
            return "{" + plain + "}"
        if form == 8:
            return "{[string]: " + plain + "}"
        return "number | string"

    def usable(self, wanted):
        """Variables whose value fits."""
        def fits(have):
            return (have == wanted or optional(have) == wanted or
                    (have == INTEGER and wanted in (NUMBER, "number?", "number | string")) or
                    (have == "Level" and wanted in (STRING, "string?", "number | string")) or
                    (have in (NUMBER, STRING) and wanted == "number | string"))
        return [v.name for v in self.scope if fits(v.now)]

    def optionals(self, plain=None):
        return [v for v in self.scope if v.now == v.declared and v.now.endswith("?") and
                (plain is None or v.now == optional(plain))]

    def literal(self, wanted):
        if wanted == NUMBER:
            return self.pick(["1", "2.5", "1e3", "(3)", "-4"])
        if wanted == INTEGER:
            return self.pick(["1", "0x10", "42", "(#'abc')"])
        if wanted == STRING:
            return self.pick(["'a'", '"b\\n"', "[[c]]", "('d'):upper()", "tostring(5)"])
        if wanted == BOOLEAN:
            return self.pick(["true", "false", "(not nil)", "(1 < 2)", "('a' == 'b')"])
        if wanted == "number | string":
            return self.literal(self.pick([NUMBER, STRING]))
        if wanted.endswith("?"):
            return self.pick(["nil", self.literal(wanted[:-1])])
        if wanted.startswith("{[string]: "):
            inner = wanted[len("{[string]: "):-1]
            return f"{{a = {self.literal(inner)}, ['b c'] = {self.literal(inner)}}}"
        if wanted.startswith("{"):
            return "{" + ", ".join(self.literal(wanted[1:-1])
                                   for _ in range(self.random.randrange(3))) + "}"
        return NAMED[wanted] % {"number": self.literal(NUMBER)}

    def compound(self, wanted, depth):
        """Something that is worked out; None where there is no such thing."""
        a, b = self.value(wanted, depth - 1), self.value(wanted, depth - 1)
        form = self.random.randrange(8)
        if form == 0:
            return f"({a} as {wanted})"
        if form == 1:
            return f"(unknown({a}) :: {wanted})"
        if form == 2:
            return "unknown()"
        if form == 3 and not wanted.endswith("?") and wanted != BOOLEAN:
            found = self.optionals(wanted)
            if found:
                one = self.pick(found).name
                return self.pick([f"({one} or {a})", f"{one}!", f"({one} as {wanted})",
                                  f"({one} ~= nil and {one} or {a})",
                                  f"assert({one})"])
        if form == 4 and not wanted.endswith("?") and wanted != BOOLEAN:
            return f"({self.value(BOOLEAN, depth - 1)} and {a} or {b})"
        if form == 5:
            found = [f for f in self.functions if f[2] == wanted]
            if found:
                return self.call(self.pick(found), depth - 1)
        if wanted == NUMBER:
            return f"({a} {self.pick(['+', '-', '*', '/', '%', '^'])} {b})"
        if wanted == STRING:
            return f"({a} .. {self.value(self.pick([NUMBER, STRING]), depth - 1)})"
        if wanted == BOOLEAN:
            return self.pick([f"({self.value(NUMBER, 0)} < {self.value(NUMBER, 0)})",
                              f"(not {a})", f"({a} == {b})", f"({a} and {b})"])
        return None

    def call(self, function, depth):
        name, params, _ = function
        values = [self.value(param, depth) for param in params]
        while values and params[len(values) - 1].endswith("?") and self.chance(40):
            values.pop()
        return f"{name}({', '.join(values)})"

    def value(self, wanted, depth=2):
        usable = self.usable(wanted)
        if usable and self.chance(50):
            return self.pick(usable)
        if depth > 0 and self.chance(60):
            made = self.compound(wanted, depth)
            if made is not None:
                return made
        if wanted == NUMBER and self.chance(30):
            points = self.usable("Point")
            if points:
                return self.pick(points) + self.pick([".x", ".y"])
        if wanted in PLAIN and self.chance(30):
            lists = [v.name for v in self.scope if v.now == "{" + wanted + "}"]
            if lists:
                return self.pick(lists) + "[1]"
        return self.literal(wanted)

    def placed(self, wanted):
        """A value for a place that has that type; perhaps the mistake."""
        plain = wanted.rstrip("?")
        if self.wanted and self.mistake is None and plain in OTHER and self.chance(20):
            wrong = [text for text in OTHER[plain]
                     if not (text == "nil" and wanted.endswith("?"))]
            self.mistake = len(self.lines) + 1
            return self.pick(wrong)
        return self.value(wanted)

    # ---- statements

    def local(self):
        declared = self.type()
        name = self.name()
        if self.chance(25):
            plain = self.pick(PLAIN)
            self.emit(f"local {name} = {self.literal(plain)}")
            return
        self.emit(f"local {name}: {declared} = {self.placed(declared)}")
        # What it holds now isn't looked at: whoever knows more may use it for more.
        self.scope.append(Variable(name, declared))

    def assign(self):
        found = [v for v in self.scope if not v.name.endswith("i")]
        if not found:
            return
        one = self.pick(found)
        self.emit(f"{one.name} = {self.placed(one.declared)}")
        one.now = one.declared

    def block(self, depth, scope):
        """Statements with that scope; what is found out in them stays there."""
        saved, self.scope = self.scope, scope
        self.depth += 1
        n_functions = len(self.functions)
        for _ in range(self.random.randint(1, 3)):
            self.statement(depth - 1)
        del self.functions[n_functions:]
        self.depth -= 1
        self.scope = saved

    def copy(self, narrowed=None, now=None):
        return [Variable(v.name, v.declared, now if v is narrowed else v.now)
                for v in self.scope]

    def assigned_since(self, start):
        text = "\n".join(self.lines[start:])
        return [v for v in self.scope if f"{v.name} =" in text]

    def widen(self, start):
        for one in self.assigned_since(start):
            one.now = one.declared

    def condition(self, depth):
        found = self.optionals()
        if not found or self.chance(20):
            start = len(self.lines)
            self.emit(f"if {self.value(BOOLEAN)} then")
            self.block(depth, self.copy())
            if self.chance(50):
                self.emit("else")
                self.block(depth, self.copy())
            self.emit("end")
            self.widen(start)
            return
        one = self.pick(found)
        plain = one.declared[:-1]
        yes = one.name if plain != BOOLEAN else f"{one.name} ~= nil"
        start = len(self.lines)
        form = self.random.randrange(4)
        if form == 0:
            self.emit(f"if {yes} then")
            self.block(depth, self.copy(one, plain))
            self.emit("end")
            self.widen(start)
        elif form == 1:
            self.emit(f"if {one.name} == nil then")
            self.block(depth, self.copy())
            self.emit("else")
            self.block(depth, self.copy(one, plain))
            self.emit("end")
            self.widen(start)
        elif form == 2:
            self.emit(f"if {one.name} == nil then")
            self.emit(self.pick([f"    {one.name} = {self.value(plain)}", "    error('none')",
                                 f"    fail('{one.name}')"]))
            self.emit("end")
            one.now = plain
        else:
            self.emit(self.pick([f"assert({yes})", f"assert({one.name} ~= nil, 'none')",
                                 f"{one.name} = {one.name} == nil and {self.literal(plain)} "
                                 f"or {one.name}!" if plain != BOOLEAN else
                                 f"assert({yes})"]))
            one.now = plain

    def loop(self, depth):
        form = self.random.randrange(4)
        start = len(self.lines)
        scope = [Variable(v.name, v.declared) for v in self.scope]
        if form == 0:
            name = self.name()
            self.emit(f"for {name}i = 1, {self.value(INTEGER)} do")
            scope.append(Variable(name + "i", INTEGER))
        elif form == 1:
            lists = [v for v in self.scope if v.now[0] == "{" and v.now[1] != "["]
            if not lists:
                return
            of = self.pick(lists)
            name = self.name()
            self.emit(f"for _, {name} in ipairs({of.name}) do")
        elif form == 2:
            self.emit(f"while {self.value(BOOLEAN)} do")
        else:
            self.emit("repeat")
        self.block(depth, scope)
        if self.chance(20):
            self.emit("    if unknown() then break end")
        self.emit("end" if form != 3 else f"until {self.value(BOOLEAN)}")
        self.widen(start)

    def kinds(self, depth):
        """A union, taken apart."""
        found = [v for v in self.scope if v.now == "number | string"]
        if not found:
            return
        one = self.pick(found)
        start = len(self.lines)
        self.emit(f'if type({one.name}) == "number" then')
        self.block(depth, self.copy(one, NUMBER))
        self.emit("else")
        self.block(depth, self.copy(one, STRING))
        self.emit("end")
        self.widen(start)

    def function(self, depth):
        params = [self.type() for _ in range(self.random.randrange(4))]
        names = [self.name() for _ in params]
        result = self.type()
        name = self.name()
        table = self.chance(30)
        if table:
            self.emit(f"local {name} = {{}}")
            name += ".f"
        inner = ", ".join(f"{n}: {p}" for n, p in zip(names, params))
        self.emit(f"{'' if table else 'local '}function {name}({inner}): {result}")
        scope = [Variable(n, p) for n, p in zip(names, params)]
        saved, self.scope = self.scope, scope
        self.depth += 1
        n_functions = len(self.functions)
        for _ in range(self.random.randint(0, 3)):
            self.statement(depth - 1)
        self.emit(f"return {self.placed(result)}")
        self.depth -= 1
        self.emit("end")
        self.scope = saved
        del self.functions[n_functions:]
        self.functions.append((name, params, result))

    def called(self):
        if not self.functions:
            return
        function = self.pick(self.functions)
        name, params, _ = function
        self.emit(f"{name}({', '.join(self.placed(param) for param in params)})")

    def statement(self, depth):
        form = self.random.randrange(14)
        if form < 4 or depth <= 0:
            self.local()
        elif form < 6:
            self.assign()
        elif form < 9:
            self.condition(depth)
        elif form == 9:
            self.loop(depth)
        elif form == 10:
            self.kinds(depth)
        elif form < 13:
            self.function(depth)
        else:
            self.called()

    def program(self):
        self.lines = DECLARED.splitlines()
        for _ in range(self.random.randint(3, 12)):
            self.statement(3)
        return "\n".join(self.lines) + "\n"


def write(text):
    data = text.encode()
    sys.stdout.buffer.write(struct.pack("<I", len(data)) + data)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    for i in range(count):
        generator = Generator(seed * 1000003 + i, with_mistake=i % 2 == 1)
        write(generator.program())
        write(str(generator.mistake or 0))


main()
