# The same commands as ./run, for people with make.
.PHONY: setup demo demo-reset journey test lint bench soak
setup demo demo-reset journey test lint bench soak:
	@python3 ./run $@
