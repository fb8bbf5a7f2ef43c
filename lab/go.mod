module github.com/kubeinquest/inquest/lab

go 1.26.0
