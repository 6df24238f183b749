from tests.workflow.support import *
def test_a(finished):
    t = read_tables(finished)
    print(t["trials"].to_string())
    print(t["matings"].to_string())
