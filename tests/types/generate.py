#!/usr/bin/env python3
"""Makes pairs of programs: one with types wherever they may stand, and the same without.

    generate.py [COUNT [SEED]] | build/tests/types/run_pairs

Both versions have the same lines. The plain one is made beside the typed one, never out
of it: a cast is a pair of parentheses there, a declaration of types an empty statement.
"""

import random
import struct
import sys

PRIMITIVES = ["any", "unknown", "never", "nil", "boolean", "number", "integer", "string",
              "table", "function", "thread", "userdata", "error", "true", "false"]
NAMES = ["Point", "Job", "lib.Type", "a.b.C", "type", "is", "as_", "readonly_", "T", "U"]
KEYWORD_FIELDS = ["type", "as", "is", "interface", "readonly", "keyof", "end", "function",
                  "if", "extends", "typeof", "asserts", "name", "x"]
MEMBERS = ["type", "as", "is", "interface", "readonly", "keyof", "name"]  # no `end`
VARIABLES = ["a", "b", "c", "d", "type_", "as", "is", "interface", "readonly", "keyof"]
OPERATORS = ["+", "-", "*", "/", "//", "%", "^", "..", "==", "~=", ">", ">=", "and", "or"]

PRELUDE = """\
local a, b, c, d, type_, as, is, interface, readonly, keyof = 1, "two", {3, x = 4}, nil, \
5, 6.5, true, "i", {x = {x = 1}}, 9
local function id(...) return ... end
local function two(p, q) return p, q, line() end
local obj = {n = 7, m = function(self, p) return p, self.n, line() end}
local function g(...) print("g", line(), ...) return g end
"""


class Pair:
    """A piece of both programs."""

    def __init__(self, typed, plain=None, many=False):
        self.typed = typed
        self.plain = typed if plain is None else plain
        self.many = many  # an expression that may yield many values
        self.ends_in_type = False  # the typed one does

    def __add__(self, other):
        if isinstance(other, str):
            other = Pair(other)
        result = Pair(self.typed + other.typed, self.plain + other.plain)
        result.ends_in_type = other.ends_in_type or (self.ends_in_type and
                                                     not other.typed)
        return result

    def __radd__(self, other):
        return Pair(other) + self


def only_typed(text):
    """Text of which the plain program has the lines only."""
    return Pair(text, "\n" * text.count("\n"))


def joined(pieces, separator):
    result = Pair("")
    for i, piece in enumerate(pieces):
        result = result + (separator if i else "") + piece
    return result


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.n_labels = 0
        self.ends_in_type = False  # the statement before ends where a type does
        self.varargs = [True]      # of the functions around: may "..." stand here?

    def chance(self, percent):
        return self.random.randrange(100) < percent

    def pick(self, items):
        return items[self.random.randrange(len(items))]

    def gap(self):
        """Where blanks and line ends may stand."""
        return self.pick(["", " ", " ", " ", "  ", "\n", " --[[ x: T ]] ", " -- :: T\n",
                          "\t"])

    # ---- types

    def primitive(self):
        return self.pick(PRIMITIVES)

    def name_type(self, depth):
        name = self.pick(NAMES)
        if depth > 0 and self.chance(35):
            inner = ("," + self.gap()).join(self.type(depth - 1)
                                            for _ in range(self.random.randint(1, 2)))
            return f"{name}<{inner}>"
        return name

    def field(self, depth, names=KEYWORD_FIELDS):
        mark = self.pick([":", "?:", ": ", "?: "])
        text = self.pick(names) + mark + self.type(depth - 1)
        return text + (self.annotation() if self.chance(15) else "")

    def braces(self, depth):
        form = self.random.randrange(4)
        if form == 0:
            return "{}"
        if form == 1:
            return "{" + self.gap() + self.type(depth - 1) + self.gap() + "}"
        if form == 2:
            return ("{[" + self.type(depth - 1) + "]:" + self.gap() +
                    self.type(depth - 1) + "}")
        fields = ("," + self.gap()).join(self.field(depth)
                                         for _ in range(self.random.randint(1, 3)))
        return "{" + self.gap() + fields + self.pick(["", ","]) + self.gap() + "}"

    def parameters(self, depth):
        items = [self.pick(["", "p: ", "self: ", "type: "]) + self.type(depth - 1)
                 for _ in range(self.random.randint(0, 2))]
        if self.chance(20):
            items.append("..." + self.type(depth - 1))
        return ("," + self.gap()).join(items)

    def result(self, depth):
        form = self.random.randrange(4)
        if form == 0:
            return "()"
        if form == 1:
            return f"({self.type(depth - 1)}, {self.type(depth - 1)})"
        return self.type(depth - 1)

    def annotation(self):
        return " @" + self.pick(["required", "min(0)", "max_len(5)", 'pattern("^%a+$")',
                                 "between(1, 2 + 3)", "none()"])

    def compound(self, depth):
        form = self.random.randrange(9)
        if form == 0:
            return self.braces(depth)
        if form == 1:
            return f"readonly {{{self.type(depth - 1)}}}"
        if form == 2:
            return "interface {" + self.field(depth) + "}"
        if form == 3:
            return f"({self.parameters(depth)}) -> {self.result(depth)}"
        if form == 4:
            return f"({self.type(depth - 1)})"
        if form == 5:
            end = self.pick(["", f": {self.result(depth)}"])
            return f"fun({self.parameters(depth)}){end}"
        if form == 6:
            return self.pick(["typeof(a)", "typeof(id(1).x)",
                              f"keyof({self.type(depth - 1)})", "asserts p",
                              f"asserts p is {self.type(depth - 1)}"])
        if form == 7:
            return self.primitive_of_array() + self.pick(["[]", "[][]", '["x"]'])
        return self.pick(['"text"', "'a|b'", "42", "0x1F", "3.5"])

    def primitive_of_array(self):
        return self.pick(["number", "string", "Point"])

    def simple(self, depth):
        form = self.random.randrange(3 if depth > 0 else 1)
        if form == 0:
            text = self.primitive()
        elif form == 1:
            text = self.name_type(depth)
        else:
            text = self.compound(depth)
        if self.chance(10):
            text += self.annotation()
        return text + self.pick(["", "", "", "?"])

    def type(self, depth=2):
        text = self.simple(depth)
        while depth > 0 and self.chance(20):
            text += self.pick(["|", " | ", " & ", "|\n  "]) + self.simple(depth - 1)
        if depth > 1 and self.chance(5):
            text = (f"{self.pick(['T', 'Point'])} extends {self.primitive()} ? "
                    f"{self.primitive()} : {self.simple(0)}")
        return text

    def annotated(self, name):
        """A name with a type, or without."""
        if self.chance(25):
            return Pair(name)
        return name + only_typed(self.pick([":", ": ", " : "]) + self.type())

    def generics(self):
        if not self.chance(20):
            return Pair("")
        return only_typed(self.pick(["<T>", "<T, U>", "<T: {x: number}, U: Point<T>>",
                                     "<T:\n Base>"]))

    def returns(self):
        form = self.random.randrange(7)
        if form == 0:
            return Pair("")
        text = [": ()", f": ({self.type()}, {self.type()})", f": ({self.type()})",
                f": {self.type()}, {self.type()}", f": {self.type()}",
                f":{self.type()}"][form - 1]
        return only_typed(text)

    # ---- expressions

    def escaped(self):
        """A text with an escape that Lua doesn't know."""
        return Pair(r"'x\q\-y\n'", r"'xq-y\n'")

    def atom(self):
        form = self.random.randrange(12)
        if form < 5:
            return Pair(self.pick(VARIABLES))
        if form == 5:
            return self.escaped()
        if form == 6:
            return Pair("line()")
        return Pair(self.pick(["1", "2.5", '"s"', "nil", "true", "0x10", "[[a: T]]",
                               "[==[\n]]]==]"]))

    def call(self, depth):
        arguments = self.arguments(depth - 1)
        types = only_typed(self.pick(["", "", "", "::<T>", "::<number, {Point}>",
                                      "::<Map<T, U>>"]))
        if self.chance(30):
            call = "obj:m" + types + arguments
        else:
            call = self.pick(["id", "two", "obj.m", "a", "c.x"]) + types + arguments
        return Pair(call.typed, call.plain, many=True)

    def arguments(self, depth):
        if self.chance(10):
            return self.table(depth)
        return "(" + self.expressions(depth, 0) + ")"

    def table(self, depth):
        items = []
        for _ in range(self.random.randint(0, 3)):
            key = self.pick(["", "", "x = ", "[1] = ", "type = ", "as = "])
            items.append(key + self.expression(depth - 1))
        if self.chance(40):
            items.append(self.multiple(depth - 1))
        return "{" + joined(items, self.pick([", ", "; "])) + "}"

    def function(self, depth):
        return "function" + self.generics() + self.body(depth)

    def primary(self, depth):
        """What a cast may stand behind, and the suffixes that it may have itself."""
        form = self.random.randrange(9) if depth > 0 else 0
        if form < 3:
            return self.atom()
        if form == 3:
            return self.call(depth)
        if form == 4:
            return self.table(depth)
        if form == 5:
            return "(" + self.expression(depth - 1) + ")" + self.pick(["", ".x", "[1]"])
        if form == 6 and depth > 1:
            return self.function(depth - 1)
        if form == 7 and self.varargs[-1]:
            return Pair("...", many=True)
        return Pair(self.pick(["c.x", "c[1]", "readonly.x.x", "c.type", "obj.n"]))

    def cast(self, operand):
        """The operand with a cast behind it: one value, whatever it was. Where it is one
        anyway, parentheses would only make Lua name other lines in errors."""
        plain = f"({operand.plain})" if operand.many else operand.plain
        form = self.random.randrange(4)
        mark = self.pick([" as ", " :: "]) if form == 1 else " as "
        text = "!" if form == 0 else mark + self.type(1)
        result = Pair(operand.typed + text, plain + "\n" * text.count("\n"))
        result.ends_in_type = True
        return result

    def operand(self, depth):
        result = self.primary(depth)
        for _ in range(self.random.choice([0, 0, 0, 1, 1, 2])):
            if result.typed.rstrip("\n").find(" :: ") != -1:
                break  # a second "::" on the line would make a label of the first
            result = self.cast(result)
        return self.pick(["", "", "", "", "-", "not ", "#"]) + result

    def expression(self, depth):
        result = self.operand(depth)
        while depth > 0 and self.chance(25):
            result = result + " " + self.pick(OPERATORS) + " " + self.operand(depth - 1)
        return result

    def multiple(self, depth):
        """Something that may be many values, cast or not: for the last place of a list."""
        result = self.call(max(depth, 1))
        if self.varargs[-1] and self.chance(30):
            result = Pair("...", many=True)
        return self.cast(result) if self.chance(50) else result

    def expressions(self, depth, least=1):
        items = [self.expression(depth)
                 for _ in range(self.random.randint(least, 2))]
        if self.chance(50):
            items.append(self.multiple(depth))
        return joined(items, ", ")

    # ---- statements

    def body(self, depth):
        names = self.random.sample(["p", "q", "a", "as", "type"],
                                   self.random.randint(0, 3))
        items = [self.annotated(name) for name in names]
        varargs = self.chance(50)
        if varargs:
            items.append(self.annotated("..."))
        text = "(" + joined(items, ", ") + ")" + self.returns()
        self.varargs.append(varargs)
        self.ends_in_type = False
        text = text + "\n" + self.block(depth - 1)
        if self.chance(70):
            text = text + "return " + self.expressions(depth - 1, 0) + self.pick(["", ";"])
        self.varargs.pop()
        self.ends_in_type = False
        return text + "\nend"

    def declaration(self):
        """Of types: a statement that does nothing."""
        if self.chance(30):
            members = ""
            for _ in range(self.random.randint(0, 3)):
                if self.chance(60):
                    members += " " + self.field(2, MEMBERS) + self.pick(["\n", ",\n", " "])
                else:
                    members += (f" function {self.pick(['area', 'type'])}(self: any, "
                                f"...: {self.type(1)}): {self.type(1)}\n")
            bases = self.pick(["", ": Base", ": Base, lib.Other"])
            text = f"interface Shape{bases}\n{members}end"
        else:
            text = (f"type {self.pick(['Job', 'type', 'Point'])}"
                    f"{self.pick(['', '', '<T>', '<A, B: Base>'])} ={self.gap()}"
                    f"{self.type(3)}")
        result = Pair(text, ";" + "\n" * text.count("\n"))
        result.ends_in_type = True
        return result

    def local(self, depth):
        names = self.random.sample(VARIABLES, self.random.randint(1, 3))
        text = "local " + joined([self.annotated(name) for name in names], ", ")
        if self.chance(85):
            text = text + self.pick([" = ", " =\n"]) + self.expressions(depth)
        return text

    def compound_statement(self, depth):
        form = self.random.randrange(7)
        block = self.block(depth - 1)
        if form == 0:
            return ("if " + self.expression(1) + " then\n" + block + "elseif " +
                    self.expression(1) + " then\n" + self.block(depth - 1) + "else\n" +
                    self.block(depth - 1) + "end")
        if form == 1:
            self.n_labels += 1
            label = f"continue{self.n_labels}"
            return (f"for i = 1, 2 do\nif i == 1 then goto {label} end\n" + block +
                    f"::{label}::\nend")
        if form == 2:
            return "for k, v in ipairs({10, 20}) do\n" + block + "end"
        if form == 3:
            return "repeat\n" + block + "until true or " + self.expression(1)
        if form == 4:
            return ("local function " + self.pick(["f", "h"]) + self.generics() +
                    self.body(depth))
        if form == 5:
            return ("function obj" + self.pick([".f", ":f", ".as"]) + self.generics() +
                    self.body(depth))
        return "do\n" + block + "end"

    def protected(self, depth):
        """Errors are told with their line, then life goes on."""
        self.varargs.append(False)
        block = self.block(depth - 1)
        self.varargs.pop()
        return "print(pcall(function()" + only_typed(self.pick(["", ": any", ": ()"])) + \
            "\n" + block + "end))"

    def statement(self, depth):
        form = self.random.randrange(12)
        if form < 3:
            return self.local(depth)
        if form == 3:
            return self.declaration()
        if form == 4:
            return self.pick(VARIABLES) + " = " + self.expressions(depth)
        if form == 5:
            return "print(" + self.expressions(depth) + ")"
        if form == 6:
            return self.call(depth)
        if form < 9 and depth > 0:
            return self.compound_statement(depth)
        if form < 11 and depth > 0:
            return self.protected(depth)
        return Pair(self.pick(["print(line())", "c.x = 1", "error('e' .. line())",
                               "--[[@as T]]", "print(type(a), type_)", ";"]))

    def parenthesised(self):
        """A statement that starts with "(": it must not go on with the one before."""
        if self.ends_in_type:
            return Pair("(g)(line())", ";(g)(line())")
        return Pair(";(g)(line())")

    def block(self, depth):
        text = Pair("do\n")
        for _ in range(self.random.randint(1, 4)):
            if self.chance(8):
                text = text + self.parenthesised() + "\n"
            piece = self.statement(depth)
            self.ends_in_type = piece.ends_in_type
            text = text + piece + self.pick(["\n", "\n", "\n\n", " -- T: :: as\n"])
        self.ends_in_type = False
        return text + "end\n"

    def program(self):
        text = Pair(PRELUDE)
        for _ in range(self.random.randint(1, 3)):
            text = text + self.protected(3) + "\n"
        return text + self.block(2)


def write(out, count, seed):
    for i in range(count):
        pair = Generator(f"{seed}/{i}").program()
        for text in (pair.typed, pair.plain):
            data = text.encode()
            out.write(struct.pack("<I", len(data)) + data)


if __name__ == "__main__":
    write(sys.stdout.buffer, int(sys.argv[1]) if len(sys.argv) > 1 else 2000,
          sys.argv[2] if len(sys.argv) > 2 else "0")
