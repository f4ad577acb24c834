local n = 0
return {count = function() n = n + 1 return n end}
