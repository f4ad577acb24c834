do local _ = function() local function f(): number
  return
end end end
do local _ = function() local function f(): number return nil end end end
do local _ = function() local function f(): (number, string) return 1 end end end
do local _ = function() local function f(): (number, string) return 1, 2 end end end
do local _ = function() local function f(): number return 1, 2 end end end
do local _ = function() local function f(): () return 1 end end end
