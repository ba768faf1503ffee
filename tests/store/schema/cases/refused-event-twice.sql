-- expect: 5: event e@1 is defined already on line 3
-- store test version 1
-- event e(id TEXT)

-- event e@1()
