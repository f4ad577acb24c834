local tally = require("tally")
return {encode = json.encode, decode = json.decode, tally = tally.count}
