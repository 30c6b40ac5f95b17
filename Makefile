# The same commands as ./run, for people with make.
.PHONY: setup demo demo-reset journey test lint words bench soak
setup demo demo-reset journey test lint words bench soak:
	@python3 ./run $@
