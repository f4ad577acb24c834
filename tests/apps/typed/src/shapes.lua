-- Inheritance, and interfaces whose methods live in classes.
interface Shape
    name: string
    function area(self: any): number
    function scale(self: any, by: number): any
end

type Circle = {name: string, r: number}
type Box = {name: string, w: number, h: number}

local Base = {}
Base.__index = Base

function Base:describe(digits: integer?): string
    return string.format("%s %." .. (digits or 1) .. "f", self.name, self:area())
end

local Circle = setmetatable({}, {__index = Base})
Circle.__index = Circle

function Circle.new(r: number): Circle
    return setmetatable({name = "circle", r = r}, Circle)
end

function Circle:area(): number
    return math.pi * self.r ^ 2
end

function Circle:scale(by: number): Circle
    return Circle.new(self.r * by)
end

local Box = setmetatable({}, {__index = Base})
Box.__index = Box

function Box.new(w: number, h: number): Box
    local box: Box = setmetatable({}, Box)
    box.name, box.w, box.h = "box", w, h
    return box
end

function Box:area(): number
    return self.w * self.h
end

function Box:scale(by: number): Box
    return Box.new(self.w * by, self.h * by)
end

local function total(shapes: {Shape}): number
    local sum = 0
    for _, shape in ipairs(shapes) do
        sum = sum + shape:area()
    end
    return sum
end

local function largest<T: Shape>(shapes: {T}): T?
    local best: T? = nil
    for _, shape in ipairs(shapes) do
        if not best or shape:area() > best:area() then
            best = shape
        end
    end
    return best
end

local function selftest(): string
    local circle = Circle.new(1)
    local box: Box = Box.new(2, 3)
    local shape: Shape = box
    local all: {Shape} = {circle, box, shape:scale(2)}
    local best = largest(all)
    assert(best ~= nil)
    return circle:describe() .. ", " .. best:describe(0) .. ", " .. math.floor(total(all))
end

return {selftest = selftest, Circle = Circle, Box = Box}
