"""The door agents knock on: OpAMP in, facts out, offers delivered."""
