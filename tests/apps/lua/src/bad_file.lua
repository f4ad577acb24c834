error("at file level")
