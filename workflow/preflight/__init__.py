"""Before a run: its plan and cost, a rehearsal, and checks of a site."""
