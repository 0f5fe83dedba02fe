package hookshop

import "strings"

// User is a person. Only an admin key sees and invites people (S0-17).
type User struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

type userFields struct {
	Name  *string `json:"name"`
	Email *string `json:"email"`
}

func (f userFields) into(_ *shop, u *User) error {
	set(&u.Name, f.Name)
	set(&u.Email, f.Email)
	if before, after, _ := strings.Cut(u.Email, "@"); before == "" || after == "" || len(u.Email) > maxText {
		return invalid("email", "must be an address such as ada@example.com")
	}
	return named("name", u.Name)
}

func users() kind[User] {
	return kind[User]{
		one: "user", many: "users", prefix: "usr_",
		of:    func(s *shop) *shelf[User] { return &s.users },
		fresh: func(id string) User { return User{ID: id} },
	}
}
